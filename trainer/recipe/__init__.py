"""The recipe of a run and the settings it is made of."""
