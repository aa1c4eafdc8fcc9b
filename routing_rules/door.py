"""The whole of the rules, loaded: text and facts in, a decision out. Pure and quick; the clock is `facts.now`.

    door = Door.load(Path("routing_rules"), classifier=make_engine)
    decision = door.decide("my bin wasnt emptied again", Facts(authority="barnet", now=now))

A door never changes. To change the rules, load another one and put it in the place of the first: a folder with
errors raises `RulesErrors` and leaves the old door as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from routing_rules import explain, language, outcomes, reading, router, safety, split
from routing_rules.authority import Authority
from routing_rules.catalogue import Catalogue, Service
from routing_rules.classifier.base import Classifier, Scored, Splitter
from routing_rules.classifier.engine import Engine
from routing_rules.decision import Action, Decision, Emergency, Facts, Given, Part
from routing_rules.errors import NotKnown, RulesErrors
from routing_rules.outcomes import Case
from routing_rules.postcodes import Places
from routing_rules.reading import Reading


class Finding(Protocol):
    """Danger to a person, found in a text."""

    @property
    def service(self) -> str:
        """Which: a service of the catalogue with `safety` emergency or safeguarding."""
        ...

    @property
    def evidence(self) -> list[str]:
        """The words that say so."""
        ...

    @property
    def confidence(self) -> float:
        """0 to 1."""
        ...


FindDanger = Callable[[str], Finding | None]
FindLanguage = Callable[[str], str | None]
"""The BCP 47 tag of a text that is not in English, else `None`."""
MakeClassifier = Callable[[Catalogue], Classifier]


class Door:
    """Everything the rules know. Safe to share between tasks and threads."""

    def __init__(
        self,
        catalogue: Catalogue,
        authorities: dict[str, Authority],
        *,
        fingerprint: str,
        classifier: Classifier | None = None,
        splitter: Splitter | None = None,
        find_danger: FindDanger | None = None,
        find_language: FindLanguage | None = None,
        places: Places | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.authorities = authorities
        self.fingerprint = fingerprint
        """Over catalogue and authorities, SHA-256 in hex."""
        self.classifier = classifier
        self.places = places or Places()
        self._splitter = splitter or (split.Splitter(classifier) if isinstance(classifier, Engine) else None)
        self.find_danger: FindDanger = find_danger or safety.shipped().find
        """Danger to a person, found apart from the engine."""
        self._find_language = find_language or language.detect
        self.engine = (
            f"{'no engine' if classifier is None else classifier.fingerprint}, rules {fingerprint[:12]}"
        )
        """Which engine and rules decide here, short."""

    @classmethod
    def load(
        cls,
        folder: Path,
        classifier: Classifier | MakeClassifier | None = None,
        *,
        splitter: Splitter | None = None,
        find_danger: FindDanger | None = None,
        find_language: FindLanguage | None = None,
        places: Places | None = None,
    ) -> Door:
        """Load a folder. Raises `RulesErrors` with everything wrong in it; then nothing has been changed.

        `classifier` may be an engine, or what makes one from the catalogue. Without one nothing is recognised: all
        that comes without a service goes to triage. `places` may be handed on from an older door.
        """
        return cls.of(
            reading.read(folder),
            classifier,
            splitter=splitter,
            find_danger=find_danger,
            find_language=find_language,
            places=places,
        )

    @classmethod
    def of(
        cls,
        found: Reading,
        classifier: Classifier | MakeClassifier | None = None,
        *,
        splitter: Splitter | None = None,
        find_danger: FindDanger | None = None,
        find_language: FindLanguage | None = None,
        places: Places | None = None,
    ) -> Door:
        """The door of a folder already read. As `load` otherwise."""
        if found.errors:
            raise RulesErrors(found.errors)
        if classifier is not None and not isinstance(classifier, Classifier):
            classifier = classifier(found.catalogue)
        return cls(
            found.catalogue,
            {code: authority for code, (authority, _) in found.authorities.items()},
            fingerprint=found.fingerprint,
            classifier=classifier,
            splitter=splitter,
            find_danger=find_danger,
            find_language=find_language,
            places=places,
        )

    def authority(self, code: str) -> Authority:
        """One authority. Raises `NotKnown` with the nearest right code."""
        if code not in self.authorities:
            raise NotKnown("authority", code, self.authorities)
        return self.authorities[code]

    def service(self, code: str) -> Service:
        """One service. Raises `NotKnown` with the nearest right code."""
        if code not in self.catalogue.services:
            raise NotKnown("service", code, self.catalogue.services)
        return self.catalogue.services[code]

    def decide(self, text: str, facts: Facts) -> Decision:
        """What the citizen means and who answers for it.

        Raises `NotKnown` for an authority or a service that is not there, and nothing else.
        """
        authority = self.authority(facts.authority)
        known = None if facts.service is None else self.service(facts.service)
        finding = self.find_danger(text)
        case = Case(self.catalogue, authority, facts, router.spot(facts, self.places))
        tag = None
        if known is not None:
            parts = [outcomes.for_known(text, known, case)]
        else:
            tag = self._find_language(text)
            if tag is not None:
                parts = [outcomes.for_another_language(text, tag, case)]
            else:
                parts = outcomes.joined(
                    [outcomes.for_ranking(one, self.rank(one), case) for one in self.split(text)]
                )
        if finding is not None:
            parts = self._with_danger(text, parts, finding, case)
        return Decision(
            parts=parts,
            emergency=_emergency(parts, finding, authority),
            language=tag,
            engine=self.engine,
            given=Given(
                age=facts.age, language=facts.language, service=facts.service, provider=facts.provider
            ),
        )

    def decide_agreed(self, text: str, needs: Sequence[tuple[str, str | None]], facts: Facts) -> Decision:
        """Who answers for needs that the citizen has agreed to: (their words, service). Without a service, people decide.

        Danger found in the whole text is an alarm all the same. Raises `NotKnown` for an authority that is not there.
        """
        authority = self.authority(facts.authority)
        finding = self.find_danger(text)
        case = Case(self.catalogue, authority, facts, router.spot(facts, self.places))
        parts = []
        for words, code in needs:
            known = self.catalogue.services.get(code or "")
            parts.append(
                outcomes.for_people(words, case) if known is None else outcomes.for_known(words, known, case)
            )
        if finding is not None:
            parts = self._with_danger(text, parts, finding, case)
        return Decision(
            parts=parts,
            emergency=_emergency(parts, finding, authority),
            engine=self.engine,
            given=Given(age=facts.age, language=facts.language, provider=facts.provider),
        )

    def for_service(self, text: str, facts: Facts) -> Part:
        """What is done with one need whose service a person has named in `facts`: rules alone, no understanding.

        Raises `NotKnown` for an authority or a service that is not there.
        """
        assert facts.service is not None
        case = Case(self.catalogue, self.authority(facts.authority), facts, router.spot(facts, self.places))
        return outcomes.for_known(text, self.service(facts.service), case)

    def explain(self, decision: Decision) -> list[str]:
        """A decision in sentences."""
        return explain.explain(decision, self.catalogue)

    def split(self, text: str) -> list[str]:
        """The needs in a message, each in the citizen's words."""
        return [text] if self._splitter is None else self._splitter.split(text) or [text]

    def rank(self, text: str) -> list[Scored]:
        """The services that one need may be, best first; empty without an engine."""
        return [] if self.classifier is None else self.classifier.classify(text)

    def _with_danger(self, text: str, parts: list[Part], finding: Finding, case: Case) -> list[Part]:
        """Put the need in which danger was found first. Other needs that are clear stay; nothing unclear is asked."""
        words = text
        if len(parts) > 1:
            words = next((part.text for part in parts if self.find_danger(part.text) is not None), text)
        scored = Scored(finding.service, finding.confidence, list(finding.evidence))
        danger = outcomes.for_danger(words, scored, parts, case)
        rest = [part for part in parts if outcomes.stays_beside_danger(part, danger)]
        return [danger, *rest]


def _emergency(parts: list[Part], finding: Finding | None, authority: Authority) -> Emergency | None:
    """The authority's words for the first alarm, if there is one."""
    alarm = next((part for part in parts if part.action is Action.EMERGENCY), None)
    if alarm is None or alarm.service is None:
        return None
    evidence = alarm.evidence if finding is None else list(finding.evidence)
    words = authority.settings.wording[alarm.service].words
    return Emergency(service=alarm.service, evidence=evidence, words=words)
