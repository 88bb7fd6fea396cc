"""Whether a query is about a product at all, by its words alone."""

import re

from hangtag.words.function_words import FUNCTION_WORDS, word_set

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_VOWELS = frozenset("aeiouy")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_RUN = 4

# Words of a shop's service. A text with no others but function words is about the shop, not about a product.
_SERVICE = word_set(
    """
    order orders ordered ordering delivery deliver delivered deliveries shipping shipped shipment tracking
    parcel refund refunds refunded return returns returned returning exchange cancel cancelled canceled
    cancellation invoice receipt payment pay paid paying paypal klarna visa mastercard checkout account
    login password email address contact agent human person representative support service customer
    complaint complain manager store stores shop shops opening hours open opened close closed closing location nearest
    discount coupon voucher promo code codes sale sales offer offers price prices cost costs stock available
    availability policy policies terms warranty guarantee subscribe unsubscribe newsletter job jobs career careers
    arrive arrives arrived arriving late delayed missing lost wrong status update question problem issue help talk
    speak call chat working work works website site error bot time times weather joke
    """
)
_GREETINGS = word_set("hi hello hey hiya howdy greetings thanks thank thx cheers bye goodbye morning evening")
# What is said about an order, whatever the thing is.
_ABOUT_AN_ORDER = re.compile(
    r"\b(?:"
    r"(?:where|when)(?:\s+is|'?s|\s+are)?\s+(?:my|our)\s+(?:\w+\s+)?(?:order|parcel|package|delivery|refund|shipment)"
    r"|(?:track|cancel|change|return|check)\s+(?:my|an?|the|this)\s+(?:order|parcel|package|delivery|purchase|shipment)"
    r"|(?:my|our|the)\s+(?:order|parcel|package|delivery|refund)\s+(?:\w+\s+)?(?:is|has|was|did|hasn|didn|never|number|"
    r"still|came|arrived|status)"
    r"|order\s+(?:number|status|confirmation|id|no\.?|#)"
    r"|(?:how\s+much|what)\s+(?:is|are|does)\s+(?:the\s+)?(?:shipping|delivery|postage)"
    r"|(?:can|could|will)\s+you\s+(?:write|sing|translate|be\s+quick|tell\s+me\s+(?:an?|your)\b)|are\s+you\s+hiring"
    r"|(?:your|the)\s+(?:app|site|website)\b|(?:stop|keep)\s+(?:sending|emailing|texting)|sing\s+me"
    r"|(?:can|could|may|how|do)\s+(?:(?:can|do|to)\s+)?(?:(?:i|we)\s+)?(?:return|exchange|cancel|refund)\b"
    r"|(?:i|we)\s+(?:\w+\s+)?(?:ordered|returned)\b"
    r"|(?:has|have|did|hasn'?t|didn'?t|haven'?t|not|never)\s+(?:not\s+)?(?:yet\s+)?arrived?\b"
    r"|(?:get|want|give|need)\s+(?:me\s+)?(?:my\s+money|a\s+refund)"
    r"|(?:return|refund|shipping|delivery|privacy|exchange)\s+(?:policy|costs?|times?|address|label|options|fees?)"
    r"|(?:opening|business|store|shop)\s+(?:hours|times)"
    r"|(?:talk|speak|chat)\s+(?:to|with)\s+(?:an?\s+|the\s+|your\s+)?(?:human|agent|person|someone|somebody|manager|"
    r"representative|customer)"
    r"|(?:reset|forgot|change)\s+(?:my\s+)?password|(?:delete|log\s*in(?:to)?|close)\s+(?:my\s+)?account"
    r"|(?:discount|promo|coupon|voucher)\s+codes?"
    r"|do\s+you\s+(?:ship|deliver|price\s+match|take|accept|have\s+a\s+(?:store|shop))"
    r"|how\s+long\s+(?:does|will|is)\s+(?:\w+\s+)?(?:delivery|shipping|it\s+take)"
    r"|how\s+are\s+you|who\s+are\s+you|what'?s\s+your\s+name|are\s+you\s+(?:a\s+)?(?:real|human|bot|robot|open)"
    r")",
    re.IGNORECASE,
)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without digits."""
    return [word.lower() for word in _WORD.findall(text)]


def content_words(text: str) -> list[str]:
    """The words of a text that may say something about a thing, in lower case."""
    return [word for word in words_of(text) if word.replace("'", "") not in FUNCTION_WORDS]


def is_about_the_shop(text: str) -> bool:
    """A question about an order or the shop, or a greeting: no product is meant."""
    if _ABOUT_AN_ORDER.search(text):
        return True
    words = content_words(text)
    if not words:
        return any(word in _GREETINGS for word in words_of(text))
    return all(word in _SERVICE for word in words)


def is_gibberish(word: str) -> bool:
    """Letters that are no word of a language in Latin script: `asdfgh`, `xkcdqz`.

    `word` is in lower case and unknown otherwise.
    """
    if not word.isascii() or len(word) < _RUN:
        return False
    letters = [char in _VOWELS for char in word]
    longest = run = 0
    for is_vowel in letters:
        run = 0 if is_vowel else run + 1
        longest = max(longest, run)
    rows = any(
        row[at : at + _RUN] in word or row[at : at + _RUN][::-1] in word
        for row in _ROWS
        for at in range(len(row) - _RUN + 1)
    )
    repeated = any(word[at] * 3 == word[at : at + 3] for at in range(len(word) - 2))
    return longest > _RUN or not any(letters) or rows or repeated
