"""Tests of `routing_rules.safety.phrases`: danger told in other languages."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_rules import safety
from routing_rules.decision import Action
from routing_rules.door import Door, Facts
from routing_rules.evaluate import read
from routing_rules.postcodes import Places
from routing_rules.safety import examples
from routing_rules.safety.phrases import Phrases, shipped
from tests.routing_rules.test_language import FOREIGN
from tests.routing_rules.understanding import catalogue, shared

LIFE, SUICIDE, ABUSE, GAS = "life-threatening-emergency", "suicide-risk", "domestic-abuse", "gas-leak"
CHILD, ADULT, CRISIS = "child-protection", "adult-safeguarding", "mental-health-crisis"

TOLD = [
    ("cy", LIFE, "Helpwch fi, dydy fy nhad ddim yn anadlu"),
    ("cy", SUICIDE, "Dw i eisiau marw, does dim pwrpas i ddim byd"),
    ("cy", ABUSE, "Mae fy ngŵr yn fy nharo i bob nos a dw i'n ofn mynd adref"),
    ("pl", LIFE, "Proszę o pomoc, moja mama nie oddycha, jesteśmy na Green Lane"),
    ("pl", SUICIDE, "już dłużej nie mogę, chce umrzec"),
    ("pl", ABUSE, "Dzień dobry, mój mąż mnie bije i boję się wrócić do domu"),
    ("pl", GAS, "W całej kuchni czuć gaz, co mam robić"),
    ("pl", CHILD, "Sąsiad za ścianą codziennie bije swoje dziecko"),
    ("pl", ADULT, "Opiekunka bije moją babcię w domu opieki"),
    ("ro", LIFE, "Vă rog, tata nu mai respiră!"),
    ("ro", SUICIDE, "sunt singur si vreau sa mor"),
    ("ro", ABUSE, "Soțul meu mă bate în fiecare seară"),
    ("ro", GAS, "pe scara blocului miroase tare a gaz"),
    ("gu", LIFE, "મારા પપ્પા શ્વાસ નથી લેતા, જલ્દી આવો"),
    ("gu", ABUSE, "મારો પતિ મને રોજ મારે છે"),
    ("gu", ABUSE, "maro pati mane roj mare che, mane bik lage che"),
    ("gu", SUICIDE, "મારે હવે જીવવું નથી"),
    ("hi", LIFE, "जल्दी आइए, मेरे पिताजी सांस नहीं ले रहे हैं"),
    ("hi", ABUSE, "मेरे पति मुझे रोज़ मारते हैं"),
    ("hi", ABUSE, "mera shohar mujhe roz marta hai, bachao"),
    ("hi", SUICIDE, "main marna chahti hoon, ab bas"),
    ("hi", LIFE, "ghar mein aag lag gayi hai jaldi aao"),
    ("ur", ABUSE, "میرا شوہر مجھے روز مارتا ہے"),
    ("ur", SUICIDE, "میں مرنا چاہتی ہوں"),
    ("ur", GAS, "گھر میں گیس کی بو آ رہی ہے"),
    ("pa", ABUSE, "ਮੇਰਾ ਪਤੀ ਮੈਨੂੰ ਰੋਜ਼ ਮਾਰਦਾ ਹੈ"),
    ("bn", LIFE, "আমাদের বাসায় আগুন লেগেছে"),
    ("bn", ABUSE, "আমার স্বামী আমাকে প্রতিদিন মারে"),
    ("bn", SUICIDE, "আমি আর পারছি না, আমি মরতে চাই"),
    ("ta", ABUSE, "என் கணவர் என்னை தினமும் அடிக்கிறார்"),
    ("ta", SUICIDE, "நான் சாக விரும்புகிறேன்"),
    ("tr", LIFE, "Lütfen yardım edin, babam nefes alamıyor"),
    ("tr", ABUSE, "KOCAM BENİ DÖVÜYOR, korkuyorum"),
    ("tr", GAS, "binada gaz kokusu var"),
    ("tr", SUICIDE, "artik olmek istiyorum"),
    ("so", ABUSE, "ninkeygu habeen walba wuu i garaacaa"),
    ("so", SUICIDE, "waxaan rabaa inaan dhinto"),
    ("ar", LIFE, "أبي لا يتنفس، ساعدونا بسرعة"),
    ("ar", ABUSE, "زوجي يضربني كل يوم وأنا خائفة"),
    ("ar", SUICIDE, "أنا وحيد و أريد أن أموت"),
    ("ar", GAS, "هناك رائحة غاز قوية في المبنى"),
    ("fa", ABUSE, "شوهرم هر شب منو کتک می‌زنه"),
    ("fa", SUICIDE, "دیگر نمی‌توانم، می‌خواهم بمیرم"),
    ("ku", ABUSE, "mêrê min her şev li min dide"),
    ("ku", SUICIDE, "ez dixwazim bimirim"),
    ("pt", LIFE, "Depressa, o meu pai não está a respirar"),
    ("pt", ABUSE, "o meu marido bate-me todos os dias"),
    ("pt", SUICIDE, "já não aguento, quero morrer"),
    ("es", LIFE, "Por favor, mi bebé no respira"),
    ("es", ABUSE, "mi marido me pega y tengo miedo"),
    ("es", SUICIDE, "no aguanto más, quiero morirme"),
    ("es", GAS, "en la escalera huele mucho a gas"),
    ("it", LIFE, "Aiuto, mio nonno non respira"),
    ("it", ABUSE, "mio marito mi picchia da anni"),
    ("it", CRISIS, "mio figlio sente delle voci che gli parlano"),
    ("fr", LIFE, "Vite, ma mère n’arrive plus à respirer"),
    ("fr", ABUSE, "mon mari me frappe devant les enfants"),
    ("fr", GAS, "ça sent le gaz dans tout l'immeuble"),
    ("de", LIFE, "Mein Vater atmet nicht mehr, bitte kommen Sie"),
    ("de", ABUSE, "mein Mann schlägt mich"),
    ("de", SUICIDE, "Ich will einfach nur sterben"),
    ("sq", ABUSE, "burri im më rreh çdo natë"),
    ("sq", SUICIDE, "nuk mundem më, dua të vdes"),
    ("uk", LIFE, "Допоможіть, мій батько не дихає"),
    ("uk", ABUSE, "чоловік мене постійно б’є"),
    ("uk", GAS, "у під'їзді сильний запах газу"),
    ("ru", LIFE, "Пришлите, пожалуйста, скорую, мама упала"),
    ("ru", ABUSE, "муж меня бьёт, мне страшно"),
    ("ru", SUICIDE, "я больше не хочу так жить"),
    ("bg", ABUSE, "мъжът ми ме бие всяка вечер"),
    ("bg", SUICIDE, "искам да умра"),
    ("el", ABUSE, "ο άντρας μου με χτυπάει κάθε μέρα"),
    ("el", SUICIDE, "δεν αντέχω άλλο, ΘΕΛΩ ΝΑ ΠΕΘΑΝΩ"),
    ("hu", LIFE, "Segítsenek, apám nem lélegzik"),
    ("hu", ABUSE, "a férjem minden este megver"),
    ("hu", SUICIDE, "meg akarok halni"),
    ("lt", ABUSE, "vyras mane muša kiekvieną dieną"),
    ("he", ABUSE, "בעלי מכה אותי כל לילה"),
    ("he", SUICIDE, "אני רוצה למות"),
    ("zh", LIFE, "快来，我爸爸没有呼吸了"),
    ("zh", ABUSE, "我老公打我，我很害怕"),
    ("zh", SUICIDE, "我不想活了"),
    ("pl", LIFE, "na klatce jest pełno dymu"),
    ("es", LIFE, "mi padre se ha desmayado y no despierta"),
    ("es", ABUSE, "mi ex me amenaza de muerte"),
    ("cy", SUICIDE, "dwi isio marw"),
    ("hi", ABUSE, "pati ne mujhe mara"),
    ("ar", LIFE, "ابني لا يستطيع التنفس"),
    ("zh", ABUSE, "我丈夫经常打我"),
    ("zh", GAS, "樓道裡有煤氣味"),
]  # fmt: skip

ORDINARY = [
    "Latarnia na naszej ulicy pali się cały dzień",
    "In unserer Straße ist es dunkel, es brennt kein Licht",
    "Unsere Straße erstickt im Müll",
    "Çocuklar yeni parka bayıldı",
    "Фонарь у дома не горит уже неделю",
    "Gdzie mogę oddać stary piec gazowy i noże kuchenne?",
    "Kto zabija szczury na podwórku?",
    "Câinele vecinului latră toată noaptea și nu pot dormi",
    "Mi hijo juega al fútbol y rompió el cristal, me muero de vergüenza",
    "Quisiera pagar la factura del gas en tres plazos",
    "Le feu rouge au carrefour ne marche plus",
    "La porte de la poubelle ne ferme plus et le voisin frappe au mur",
    "Wo kann ich meinen alten Gasherd entsorgen?",
    "Vorrei pagare la bolletta del gas",
    "O semáforo da minha rua está apagado",
    "Sokak lambası yanmıyor, ne zaman tamir edilecek?",
    "Можно ли жечь листья в саду?",
    "Де можна зареєструвати газову плиту?",
    "Mae angen bin newydd arnaf i",
    "मेरे बच्चे के स्कूल में दाखिला चाहिए",
    "mujhe council tax ke baare mein poochna hai",
    "mane nokri mate madad joie che",
    "أريد أن أدفع فاتورة الغاز",
    "میخواهم قبض گاز را پرداخت کنم",
    "我想付煤气费",
    "Πού πληρώνω τον λογαριασμό του αερίου;",
    "Hol tudom befizetni a gázszámlát?",
    "Ku mund ta paguaj faturën e gazit?",
    "Къде да платя сметката за газ?",
]


@pytest.mark.parametrize(("language", "service", "text"), TOLD)
def test_danger_told_in_another_language_is_found_and_named(language: str, service: str, text: str) -> None:
    """A sentence of danger is found in each language, with the right service and the words that said so."""
    assert service in shipped().services[language]
    found = shipped().find(text)
    assert found is not None
    assert found[0] == service
    assert found[1]


def test_every_language_is_tried() -> None:
    """No language is listed that nothing here shows to work."""
    assert {language for language, _, _ in TOLD} == set(shipped().services)


def test_only_the_catalogues_dangers_are_named() -> None:
    """A phrase raises the alarm of a service that there is."""
    marked = {code for code, service in catalogue().services.items() if service.dangerous}
    assert set().union(*shipped().services.values()) <= marked


@pytest.mark.parametrize("text", [*ORDINARY, *(text for texts in FOREIGN.values() for text in texts)])
def test_ordinary_messages_in_those_languages_raise_no_alarm(text: str) -> None:
    """Gas bills, street lamps and school places stay what they are."""
    assert shipped().find(text) is None


def test_no_english_message_is_mistaken_for_another_language() -> None:
    """No catalogue example and no development message, dangerous or not, holds a phrase."""
    texts = [one for service in catalogue().services.values() for one in service.examples]
    texts += [one.text for one in examples.load() if one.service == examples.HARMLESS]
    texts += [one.text for name in ("dev_messages.csv", "dev_safety.csv") for one in read(shared(name))]
    assert len(texts) > 10_000
    assert [text for text in texts if shipped().find(text) is not None] == []


def test_the_way_it_is_typed_does_not_matter() -> None:
    """Capitals, lost accents, taken-apart letters, line breaks and punctuation change nothing."""
    for typed in (
        "MĄŻ MNIE BIJE",
        "maz mnie bije",
        "mąż...mnie\n\nbije!",
        unicodedata.normalize("NFD", "mąż mnie bije"),
    ):
        assert shipped().find(f"Witam, {typed} pomocy") == (ABUSE, "mnie bije"), typed


def test_words_are_whole() -> None:
    """A phrase inside longer words is none, and a gap is three words at most."""
    assert shipped().find("chce umrzecie") is None
    assert shipped().find("mąż jeden dwa trzy cztery grozi") is None


def test_the_decision_names_the_language_and_raises_the_alarm(
    shipped_door: Door, facts: Callable[..., Facts], places: Places
) -> None:
    """Whoever answers the alarm learns which language the message is in."""
    door = Door(
        shipped_door.catalogue,
        shipped_door.authorities,
        fingerprint=shipped_door.fingerprint,
        find_danger=safety.load(semantic=False).find,
        places=places,
    )
    decision = door.decide("Dzień dobry, mój mąż mnie bije i boję się wrócić do domu", facts("barnet"))
    assert decision.language == "pl"
    assert decision.emergency is not None
    assert decision.emergency.service == ABUSE
    assert decision.emergency.evidence == ["mnie bije"]
    assert [part.action for part in decision.parts] == [Action.EMERGENCY]


def test_a_phrase_without_a_whole_word_is_named(tmp_path: Path) -> None:
    """Whoever edits the phrases is told which one is wrong."""
    path = tmp_path / "phrases.toml"
    path.write_text('[pl]\ngas-leak = """\n~ gaz*\n"""\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"pl\.gas-leak: '~ gaz\*'"):
        Phrases(path)


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    """No text at all makes it fail."""
    found = shipped().find(text)
    assert found is None or found[0] in {LIFE, SUICIDE, ABUSE, GAS, CHILD, ADULT, CRISIS}
