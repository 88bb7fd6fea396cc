"""English words that say nothing about a thing."""


def word_set(text: str) -> frozenset[str]:
    """The words of a list, separated by spaces."""
    return frozenset(text.split())


FUNCTION_WORDS = word_set(
    """
    a an the this that these those some any every each all both either neither other another such same one ones own
    i me my mine we us our ours you your yours u ur he him his she her hers it its they them their theirs who whom whose
    which what when where why how whether
    and or nor but so yet if then than because though although while since until unless as
    of in on at by for from to into onto with within without about over under above below between through during before
    after near off out up down across along around against per via
    is am are was were be been being do does did done doing have has had having can could will would shall should may
    might must let lets
    im ive id youre theres thats its dont doesnt didnt cant cannot wont isnt arent wasnt havent hasnt
    not no never none nothing nobody only just also too very really quite rather even still already again always ever
    much many more most less least few lot lots bit enough
    here there now today tomorrow tonight soon later
    want wants wanted need needs needed like likes look looks looking search searching find finding get getting got give
    gimme buy buying purchase sell selling sells show shows recommend suggest suggestion suggestions help please pls plz
    thing things something anything everything sth stuff item items product products kind kinds type types sort option
    options good nice great best better new cheap cheaper affordable quality
    hi hello hey hiya howdy greetings thanks thank thx cheers bye goodbye ok okay yes yeah yep sure welcome sorry
    good morning afternoon evening night day
    """
)
