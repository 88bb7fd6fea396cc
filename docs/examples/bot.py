"""A customer-service bot in the terminal: an utterance, its tags, one question at a time, and the products.

    python docs/examples/bot.py

It asks a Hangtag server (`make demo` starts one) and needs hangtag-client alone. Titles come from the shop's own feed.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import grpc

from hangtag.v1 import tags_pb2 as pb
from hangtag.v1.tags_pb2_grpc import TagServiceStub

FEED = Path(__file__).resolve().parents[2] / "hangtag" / "cli" / "feed" / "products.jsonl"
SHOWN = 5
NO_TAGS = {
    pb.NO_TAGS_REASON_OFF_TOPIC: "I can only help to find products. For anything else, please write to our staff.",
    pb.NO_TAGS_REASON_LANGUAGE_NOT_SUPPORTED: "I am sorry, I do not understand this language yet. Could you say it in "
    "English?",
}
YES, NO = {"y", "yes"}, {"n", "no", ""}

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
        self.wishes: list[pb.TagBoost] = []
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
            if reply.facet and self.question(reply):
                continue
            if not self.show():
                return

    def question(self, question: pb.ClarifyResponse) -> bool:
        """Ask, and take the answer. False: the customer wants to see products."""
        print(f"{question.candidates} products fit. {question.question}")
        for number, choice in enumerate(question.choices, start=1):
            print(f"  {number}  {choice.label} ({choice.products})")
        print("  o  something else    ?  I do not know    s  show me what you have")
        return self.take(question, ask("> "))

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

    def show(self) -> bool:
        """Print the best products and why they were chosen, and begin again.

        If there are none, offer to search for less. True: that is what the customer wants.
        """
        found = self.server.FindProducts(
            pb.FindProductsRequest(text=self.text, query=self.known, boosts=self.wishes, page_size=SHOWN), timeout=5
        )
        for use, said in USES.items():
            # A class may have the name of its family.
            if values := dict.fromkeys(each.tag.value for each in found.used if each.use == use):
                print(f"{said}: {', '.join(values)}.")
        if not found.products:
            print("We have nothing like that.")
            if found.relaxations:
                return self.offer(found, found.relaxations[0])
        elif found.total > 1:
            print(f"The best {len(found.products)} of {found.total}:")
        for product in found.products:
            why = ", ".join(dict.fromkeys(tag.value for tag in product.matched))
            print(f"  {self.titles.get(product.product_id, product.product_id)}" + (f"  [{why}]" if why else ""))
        self.begin()
        return False

    def offer(self, found: pb.FindProductsResponse, way: pb.Relaxation) -> bool:
        """Ask whether to go on without some tags. True: yes, and from now on they are not searched for."""
        names = " and ".join(f"{tag.facet} {tag.value}" for tag in way.without)
        count = "is 1 product" if way.products == 1 else f"are {way.products} products"
        print(f"Without {names} there {count}. Shall I look there?  y  yes    n  no")
        answer = ask("> ").strip().lower()
        if answer in YES:
            self.drop(found.used, [(tag.facet, tag.value) for tag in way.without])
            return True
        self.begin()
        if answer not in NO:
            self.say(answer)  # the customer has another idea
        return False

    def drop(self, used: Iterable[pb.UsedTag], without: list[tuple[str, str]]) -> None:
        """Search for the tags that were understood, instead of the words, without these tags."""
        known, self.known = self.known, pb.TagQuery(min_band=pb.BAND_REVIEW)
        wanted: dict[str, list[pb.TagName]] = {}
        for each in used:
            name = pb.TagName(facet=each.tag.facet, value=each.tag.value)
            if each.use == pb.TAG_USE_RANKED:
                self.wishes.append(pb.TagBoost(facet=name.facet, value=name.value, weight=1))
            elif each.use == pb.TAG_USE_EXCLUDED:
                known.none_of.append(name)
            elif (name.facet, name.value) not in without:
                wanted.setdefault(name.facet, []).append(name)
        self.known.all_of.extend(tag for tag in known.all_of if (tag.facet, tag.value) not in without)
        self.known.none_of.extend(tag for tag in known.none_of if (tag.facet, tag.value) not in without)
        self.known.any_of.extend(known.any_of)
        # One of several named tags of a facet is enough.
        self.known.any_of.extend(pb.TagGroup(tags=tags) for tags in wanted.values())
        self.text = ""


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
