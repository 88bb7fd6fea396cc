"""The wide part: a linear model over n-grams, fitted in closed form."""
