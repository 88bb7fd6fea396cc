"""What a run's bundle gets wrong or doubts, product by product, for people who correct labels."""
