"""A customer-service bot in the terminal: an utterance, its tags, one question at a time, and the products.

    python docs/examples/bot.py

It asks a Hangtag server (`make demo` starts one) and needs hangtag-client alone. Titles come from the shop's own feed.
"""

import argparse
import json
import sys
from pathlib import Path

import grpc

from hangtag.v1 import tags_pb2 as pb
from hangtag.v1.tags_pb2_grpc import TagServiceStub

FEED = Path(__file__).resolve().parents[2] / "hangtag" / "cli" / "feed" / "products.jsonl"
SHOWN = 5
NO_TAGS = {
    pb.NO_TAGS_REASON_OFF_TOPIC: "I can only help to find products. For anything else, please write to our staff.",
    pb.NO_TAGS_REASON_LANGUAGE_NOT_SUPPORTED: "I am sorry, I do not understand this language yet.",
}

USES = {
    pb.TAG_USE_FILTERED: "You asked for",
    pb.TAG_USE_RANKED: "First come products with",
    pb.TAG_USE_EXCLUDED: "I left out",
}


class Conversation:
    """What one customer has said so far, and what they answered."""

    def __init__(self, server: TagServiceStub, titles: dict[str, str]) -> None:
        self.server, self.titles = server, titles
        self.begin()

    def begin(self) -> None:
        """Forget what was said."""
        self.text = ""
        # Tags that nobody has reviewed count too: to look at one product too many is better than to miss the right one.
        self.known = pb.TagQuery(min_band=pb.BAND_REVIEW)
        self.asked: list[str] = []

    def say(self, utterance: str) -> None:
        """Take what the customer says, ask until asking does not help any more, and show products."""
        self.text = f"{self.text} {utterance}".strip()
        while True:
            reply = self.server.Clarify(
                pb.ClarifyRequest(text=self.text, query=self.known, asked_facets=self.asked), timeout=5
            )
            if reply.understood_text:
                print(f"(I read this as: {reply.understood_text})")
            if reply.no_tags_reason in NO_TAGS and not self.known.all_of:
                print(NO_TAGS[reply.no_tags_reason])
                self.begin()
                return
            if not reply.facet:
                self.show()
                return
            print(f"{reply.candidates} products fit. {reply.question}")
            for number, choice in enumerate(reply.choices, start=1):
                print(f"  {number}  {choice.label} ({choice.products})")
            print("  o  something else    ?  I do not know    s  show me what you have")
            if not self.take(reply, ask("> ")):
                self.show()
                return

    def take(self, question: pb.ClarifyResponse, answer: str) -> bool:
        """Take an answer. False: the customer wants to see products."""
        said = answer.strip().lower()
        if said in {"s", "show"}:
            return False
        names = {choice.label.lower(): choice.value for choice in question.choices}
        names |= {str(number): choice.value for number, choice in enumerate(question.choices, start=1)}
        if said in names:
            self.known.all_of.add(facet=question.facet, value=names[said])
        elif said in {"o", "other", "something else"}:
            for choice in question.choices:
                self.known.none_of.add(facet=question.facet, value=choice.value)
        elif said in {"", "?", "i do not know"}:
            self.asked.append(question.facet)
        else:
            self.text += f" {answer}"  # an answer in words says more than one tag
        return True

    def show(self) -> None:
        """Print the best products and why they were chosen, and begin again."""
        found = self.server.FindProducts(
            pb.FindProductsRequest(text=self.text, query=self.known, page_size=SHOWN), timeout=5
        )
        for use, said in USES.items():
            # A class may have the name of its family.
            if values := dict.fromkeys(each.tag.value for each in found.used if each.use == use):
                print(f"{said}: {', '.join(values)}.")
        if not found.products:
            print("We have nothing like that.")
            for way in found.relaxations[:2]:
                names = ", ".join(f"{tag.facet} {tag.value}" for tag in way.without)
                print(f"  Without {names} there are {way.products}.")
        elif found.total > 1:
            print(f"The best {len(found.products)} of {found.total}:")
        for product in found.products:
            why = ", ".join(dict.fromkeys(tag.value for tag in product.matched))
            print(f"  {self.titles.get(product.product_id, product.product_id)}" + (f"  [{why}]" if why else ""))
        self.begin()


def ask(prompt: str) -> str:
    """A line from the customer."""
    line = input(prompt)
    if not sys.stdin.isatty():
        print(line)
    return line


def main() -> None:
    """Talk until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--feed", type=Path, default=FEED, help="JSONL file with the titles of the products")
    arguments = parser.parse_args()
    with arguments.feed.open(encoding="utf-8") as lines:
        titles = {each["product_id"]: each["title"] for each in map(json.loads, lines) if "title" in each}
    with grpc.insecure_channel(arguments.server) as channel:
        conversation = Conversation(TagServiceStub(channel), titles)
        print("What are you looking for?")
        while True:
            try:
                conversation.say(ask("> "))
            except grpc.RpcError as error:
                print(f"Something went wrong here ({error.code().name}: {error.details()}). Please try again.")


if __name__ == "__main__":
    try:
        main()
    except (EOFError, KeyboardInterrupt):
        print("Goodbye.")
