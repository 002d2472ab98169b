"""What a language calls itself, for telling customers in which language we cannot answer."""

from __future__ import annotations

_NAMES = """
af Afrikaans | am አማርኛ | ar العربية | az azərbaycanca | be беларуская | bg български | bn বাংলা | bs bosanski | ca català
cs čeština | cy Cymraeg | da dansk | de Deutsch | el Ελληνικά | en English | eo Esperanto | es español | et eesti
eu euskara | fa فارسی | fi suomi | fr français | ga Gaeilge | gl galego | gu ગુજરાતી | he עברית | hi हिन्दी | hr hrvatski
hu magyar | hy հայերեն | id Bahasa Indonesia | is íslenska | it italiano | ja 日本語 | ka ქართული | kk қазақша | km ខ្មែរ
kn ಕನ್ನಡ | ko 한국어 | ku kurdî | ky кыргызча | la Latina | lo ລາວ | lt lietuvių | lv latviešu | mk македонски | ml മലയാളം
mn монгол | mr मराठी | ms Bahasa Melayu | mt Malti | my မြန်မာ | ne नेपाली | nl Nederlands | nn nynorsk | no norsk
nb norsk bokmål | pa ਪੰਜਾਬੀ | pl polski | ps پښتو | pt português | ro română | ru русский | si සිංහල | sk slovenčina
sl slovenščina | so Soomaali | sq shqip | sr српски | sv svenska | sw Kiswahili | ta தமிழ் | te తెలుగు | th ไทย
tl Filipino | tr Türkçe | uk українська | ur اردو | uz oʻzbekcha | vi Tiếng Việt | yi ייִדיש | zh 中文 | zu isiZulu
"""
_OWN = dict(part.strip().split(" ", 1) for line in _NAMES.strip().splitlines() for part in line.split(" | "))


def own_name(tag: str) -> str:
    """The language's name in itself (`de` -> Deutsch, `pt-BR` -> português), or the tag when we do not know it."""
    return _OWN.get(tag.split("-")[0].lower(), tag)
