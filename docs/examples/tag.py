"""Tag texts on this machine, without broker, store and server."""

from hangtag.tagger import Tagger

tagger = Tagger.load("starter")
for found in tagger(["Women's waterproof hiking boots, mid cut, grey/teal", "Red wool scarf"]):
    print([f"{tag.tag} {tag.confidence:.2f} {tag.band}" for tag in (*found.tags, *found.review)])
