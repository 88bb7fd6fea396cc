"""Writes shop.csv: a made-up shop's export, with the habits that real ones have.

A category path in one column, the audience as Women and as Women's and missing in a third of the rows, colors in
capitals, some duplicates, and a few wrong labels.

    python docs/examples/make_shop.py shop.csv
"""

import csv
import random
import sys
from collections.abc import Iterator
from pathlib import Path

COUNT = 300
CAPITALS, AUDIENCE_KNOWN, WRONG = 0.1, 0.67, 0.02
THINGS = {
    "Clothing > Shoes > Sneakers": ("sneakers", "running shoes", "trainers", "low-top sneakers"),
    "Clothing > Shoes > Boots": ("ankle boots", "rain boots", "hiking boots", "leather boots"),
    "Clothing > Outerwear > Jackets": ("rain jacket", "denim jacket", "down jacket", "bomber jacket"),
    "Clothing > Outerwear > Coats": ("wool coat", "trench coat", "parka", "long coat"),
    "Home > Kitchen > Mugs": ("mug", "coffee mug", "travel mug", "espresso cup"),
    "Home > Kitchen > Knives": ("bread knife", "chef's knife", "paring knife", "santoku knife"),
    "Home > Lighting > Lamps": ("desk lamp", "floor lamp", "bedside lamp", "table lamp"),
}
COLORS = ("Black", "White", "Red", "Blue", "Green", "Grey")
AUDIENCES = ("Women", "Men", "Kids")
SPELLINGS = {"Women": ("Women", "Women's"), "Men": ("Men",), "Kids": ("Kids",)}
QUALITIES = (
    "classic", "light", "soft", "warm", "simple", "sturdy", "large", "small", "slim", "modern", "handmade", "everyday",
)  # fmt: skip
DETAILS = (
    "A good choice for every day.", "Easy to clean.", "Made to last for years.", "Comes in a gift box.",
    "Loved by our customers.", "Designed in our workshop.", "Ships within two days.", "Made from recycled material.",
)  # fmt: skip


def rows(count: int, seed: int = 7) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Number, name, text, category path, color, audience."""
    rng = random.Random(seed)
    for number in range(count):
        path = rng.choice(tuple(THINGS))
        thing, color, audience = rng.choice(THINGS[path]), rng.choice(COLORS), rng.choice(AUDIENCES)
        is_worn = path.startswith("Clothing")
        name = f"{rng.choice(QUALITIES)} {color.lower()} {thing}" + (f" for {audience.lower()}" if is_worn else "")
        text = " ".join(rng.sample(DETAILS, 2))
        shown = color.upper() if rng.random() < CAPITALS else color
        spelled = rng.choice(SPELLINGS[audience]) if is_worn and rng.random() < AUDIENCE_KNOWN else ""
        if rng.random() < WRONG:  # somebody clicked into the wrong row
            path = rng.choice(tuple(THINGS))
        yield f"A-{number:04}", name, text, path, shown, spelled


def main() -> None:
    """Write the file that is named on the command line."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "shop.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(("No", "Name", "Text", "Category", "Colour", "Audience"))
        writer.writerows(rows(COUNT))
    print(f"{path}: {COUNT} products")


if __name__ == "__main__":
    main()
