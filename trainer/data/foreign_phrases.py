"""Everyday phrases in several languages, which mean no product in any of them; and names of goods, by language."""

# ruff: noqa: RUF001 (phrases in their own letters)

import random
from collections.abc import Collection, Mapping

_EVERYDAY: Mapping[str, tuple[str, ...]] = {
    "de": (
        "guten morgen",
        "wo bleibt mein paket",
        "ich brauche hilfe",
        "vielen dank für die antwort",
        "wann habt ihr offen",
        "kann ich das umtauschen",
        "ich möchte mich beschweren",
        "wie geht es dir",
        "das stimmt so nicht",
        "bis morgen",
    ),
    "fr": (
        "bonjour à tous",
        "je n'ai rien reçu",
        "merci beaucoup",
        "comment ça va",
        "je voudrais un remboursement",
        "à quelle heure ouvrez-vous",
        "c'est trop cher",
        "bonne journée",
        "je ne comprends pas",
        "mon adresse a changé",
    ),
    "es": (
        "buenos días",
        "no ha llegado mi paquete",
        "muchas gracias",
        "quiero hablar con alguien",
        "cuánto tarda el envío",
        "me han cobrado dos veces",
        "hasta luego",
        "qué hora es",
        "no funciona la página",
        "necesito ayuda",
    ),
    "it": (
        "buongiorno",
        "il pacco non è arrivato",
        "grazie mille",
        "vorrei un rimborso",
        "quando siete aperti",
        "non ho capito",
        "come stai",
        "ho sbagliato indirizzo",
        "a domani",
    ),
    "nl": (
        "goedemorgen",
        "waar blijft mijn pakket",
        "dank je wel",
        "ik heb een vraag",
        "tot straks",
        "hoe laat is het",
    ),
    "pt": (
        "bom dia",
        "o pacote não chegou",
        "muito obrigado",
        "preciso de ajuda",
        "até amanhã",
        "quanto custa o envio",
    ),
    "pl": ("dzień dobry", "gdzie jest moja paczka", "dziękuję bardzo", "potrzebuję pomocy", "do widzenia"),
    "sv": ("god morgon", "var är mitt paket", "tack så mycket", "jag behöver hjälp", "vi ses"),
    "tr": ("günaydın", "paketim nerede", "teşekkür ederim", "yardıma ihtiyacım var", "görüşürüz"),
    "ru": ("доброе утро", "посылка не пришла", "спасибо большое", "нужна помощь", "до свидания", "как дела"),
    "ar": ("صباح الخير", "لم يصل الطرد", "شكرا جزيلا", "أحتاج مساعدة", "مع السلامة"),
    "hi": ("नमस्ते", "मेरा पार्सल नहीं आया", "धन्यवाद", "मुझे मदद चाहिए"),
    "ja": ("おはようございます", "荷物が届きません", "ありがとうございます", "助けてください"),
    "ko": ("안녕하세요", "택배가 안 왔어요", "감사합니다", "도와주세요"),
    "zh": ("早上好", "包裹还没到", "谢谢你", "我需要帮助", "再见"),
}
_GOODS: Mapping[str, tuple[str, ...]] = {
    "de": (
        "winterjacke damen",
        "kaffeetasse",
        "sofa mit schlaffunktion",
        "hundefutter",
        "fahrradhelm",
        "weiße bettwäsche",
        "laufschuhe herren",
        "gartenstuhl",
        "handyhülle",
        "schreibtischlampe",
        "pfanne 28 cm",
        "rucksack schule",
        "werkzeugkoffer",
        "vorhänge grau",
    ),
    "fr": (
        "robe d'été rouge",
        "chaussures homme cuir",
        "lampe de chevet",
        "canapé trois places",
        "poêle antiadhésive",
        "croquettes pour chien",
        "casque vélo",
        "sac à dos",
        "rideaux gris",
        "montre femme",
        "tapis salon",
        "vélo enfant",
    ),
    "es": (
        "vestido de fiesta",
        "zapatillas para correr",
        "mesa de comedor",
        "funda para móvil",
        "comida para gatos",
        "sartén",
        "mochila escolar",
        "lámpara de pie",
        "camiseta blanca hombre",
        "cortinas opacas",
        "bicicleta de montaña",
        "reloj mujer",
    ),
    "it": (
        "scarpe da ginnastica",
        "tavolo da pranzo",
        "giacca invernale uomo",
        "cibo per cani",
        "padella antiaderente",
        "zaino scuola",
        "lampada da tavolo",
        "tende bianche",
        "orologio donna",
        "divano letto",
    ),
    "nl": ("winterjas heren", "eettafel", "hondenvoer", "hardloopschoenen", "dekbedovertrek", "bureaulamp", "rugzak"),
    "pt": ("vestido longo", "tênis masculino", "mesa de jantar", "ração para cães", "mochila", "luminária", "panela"),
    "pl": ("kurtka zimowa", "buty do biegania", "stół do jadalni", "karma dla psa", "plecak", "lampka nocna"),
    "sv": ("vinterjacka", "löparskor", "matbord", "hundmat", "ryggsäck", "skrivbordslampa"),
    "tr": ("kışlık mont", "koşu ayakkabısı", "yemek masası", "köpek maması", "sırt çantası"),
    "ru": ("зимняя куртка", "кроссовки мужские", "обеденный стол", "корм для собак", "рюкзак", "настольная лампа"),
    "ar": ("فستان أحمر", "حذاء رياضي", "طاولة طعام", "حقيبة ظهر"),
    "hi": ("सर्दियों की जैकेट", "जूते", "खाने की मेज", "बैग"),
    "ja": ("冬用ジャケット", "ランニングシューズ", "ダイニングテーブル", "リュック"),
    "ko": ("겨울 재킷", "운동화", "식탁", "배낭"),
    "zh": ("冬季外套", "跑步鞋", "餐桌", "双肩包", "台灯"),
}
LANGUAGES = frozenset(_EVERYDAY)


def everyday_phrase(rng: random.Random) -> str:
    """A phrase that means no product, in a random language."""
    return rng.choice(_EVERYDAY[rng.choice(sorted(_EVERYDAY))])


def foreign_goods(spoken: Collection[str], rng: random.Random) -> str | None:
    """The name of a kind of goods in a random language that is none of `spoken` (ISO 639-1); None if all are spoken.

    A tagger that was trained in the spoken languages alone does not know what it means.
    """
    others = sorted(LANGUAGES - set(spoken))
    return rng.choice(_GOODS[rng.choice(others)]) if others else None
