"""Tests of `routing_rules.language`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_rules.language import detect
from tests.routing_rules.understanding import catalogue

FOREIGN = {
    "pl": [
        "Dzień dobry, moje śmieci nie zostały odebrane w tym tygodniu",
        "chce zapisac dziecko do szkoly jak to zrobic",
    ],
    "ro": [
        "Buna ziua, vreau sa inscriu copilul la scoala",
        "nu am caldura in apartament de trei zile, va rog ajutor",
    ],
    "fr": [
        "Bonjour, je voudrais inscrire mon fils à l'école",
        "ma poubelle n'a pas été vidée depuis deux semaines",
    ],
    "es": ["Hola, necesito ayuda para pagar el alquiler", "la basura no la han recogido esta semana"],
    "pt": ["Bom dia, preciso de ajuda com a renda da casa", "o lixo não foi recolhido na minha rua"],
    "it": [
        "Buongiorno, vorrei iscrivere mia figlia a scuola",
        "non hanno raccolto la spazzatura nella mia strada",
    ],
    "de": ["Guten Tag, mein Müll wurde nicht abgeholt", "ich brauche eine Wohnung für meine Kinder"],
    "tr": ["Merhaba, çocuğum için okul arıyorum", "evim için yardım istiyorum, kira çok pahalı"],
    "so": ["waxaan u baahanahay caawimaad guri", "carruurtayda waxaan rabaa dugsi"],
    "cy": ["Mae angen cymorth arnaf gyda fy nhreth cyngor", "Ble mae'r llyfrgell agosaf os gwelwch yn dda"],
    "sq": ["Përshëndetje, dua të regjistroj fëmijën në shkollë"],
    "hu": ["Jó napot, szeretném beíratni a gyerekem az iskolába"],
    "lt": ["Laba diena, man reikia pagalbos su butu"],
    "gu": ["મારી કચરાપેટી ખાલી નથી થઈ"],
    "bn": ["আমার বাড়ির ময়লা নেওয়া হয়নি"],
    "pa": ["ਮੈਨੂੰ ਮਦਦ ਚਾਹੀਦੀ ਹੈ"],
    "hi": ["मेरा कूड़ा नहीं उठाया गया"],
    "ta": ["எனக்கு உதவி வேண்டும்"],
    "ur": ["میرا کوڑا نہیں اٹھایا گیا", "مجھے گھر کے لیے مدد چاہیے"],
    "ar": ["أحتاج إلى مساعدة في السكن"],
    "fa": ["من برای اجاره خانه کمک می‌خواهم"],
    "zh": ["我的垃圾没有收", "我需要帮助"],
    "ru": ["Мой мусор не забрали", "мне нужна помощь с жильем"],
    "uk": ["Мені потрібна допомога з житлом"],
    "bg": ["Трябва ми помощ за жилище"],
    "el": ["Χρειάζομαι βοήθεια με το σπίτι"],
}


@pytest.mark.parametrize(("tag", "text"), [(tag, text) for tag, texts in FOREIGN.items() for text in texts])
def test_another_language_is_named(tag: str, text: str) -> None:
    """A message that is plainly in another language is recognised as that one."""
    assert detect(text) == tag


def test_english_in_any_spelling_is_english() -> None:
    """No example of the catalogue, however it is spelt, is taken for another language."""
    taken = [text for service in catalogue().services.values() for text in service.examples if detect(text)]
    assert taken == []


@pytest.mark.parametrize(
    "text",
    [
        "wot day u do da bins m8 innit",
        "me an da kids r in 1 room n its mouldy",
        "la la la",
        "ok",
        "",
        "   ",
        "12345",
        "Señor Gomez at number 4 has parked across my drive again",
        "the café on Ballards Lane is dumping oil",
        "NW9 5XE",
    ],
)
def test_slang_names_and_fragments_are_not_another_language(text: str) -> None:
    """What is short, slang or holds a foreign name is left to the engine."""
    assert detect(text) is None


@given(st.text(max_size=300))
def test_any_text_is_answered(text: str) -> None:
    """No text at all makes the detector fail."""
    assert detect(text) is None or isinstance(detect(text), str)
