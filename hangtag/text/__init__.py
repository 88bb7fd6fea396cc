"""A product's text: cleaned, in two segments, as tokens and as n-grams."""
