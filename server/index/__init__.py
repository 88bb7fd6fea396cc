"""The index process: products by their tags, kept in memory, fed by `products.tagged`."""
