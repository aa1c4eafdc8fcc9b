"""A decision in sentences that a citizen's case notes can hold: what spoke for it, what fired, what came second."""

from __future__ import annotations

from collections.abc import Sequence

from routing_rules.catalogue import OUT_OF_SCOPE, Catalogue, Service
from routing_rules.classifier.base import Scored
from routing_rules.decision import Action, Decision, Part

_SHOWN_EVIDENCE = 4


def spoke_for(scored: Scored, catalogue: Catalogue) -> str:
    """What in the message spoke for a service, and how sure the engine is."""
    sure = f"confidence {scored.confidence:.2f}"
    if not scored.evidence:
        return f"{name_of(scored.service, catalogue)} was recognised ({sure})."
    words = ", ".join(f"“{word}”" for word in scored.evidence[:_SHOWN_EVIDENCE])
    return f"{words} spoke for {name_of(scored.service, catalogue)} ({sure})."


def came_second(first: Service, ranking: Sequence[Scored], catalogue: Catalogue) -> str | None:
    """Which service came second and what would have made it that one; `None` when nothing did."""
    second = next((scored for scored in ranking if scored.service != first.code), None)
    if second is None:
        return None
    contrast = first.contrast.get(second.service)
    told_apart = f" It would be that if {contrast}." if contrast else ""
    return (
        f"Second came {name_of(second.service, catalogue)} (confidence {second.confidence:.2f}).{told_apart}"
    )


def question(choices: Sequence[str], catalogue: Catalogue) -> str:
    """The one question that tells two to four services apart."""
    names = [f"“{name_of(code, catalogue)}”" for code in choices]
    return f"Which is closest to what you need: {', '.join(names[:-1])} or {names[-1]}?"


def name_of(code: str, catalogue: Catalogue) -> str:
    """A service's name for people."""
    service = catalogue.services.get(code)
    if service is None:
        return "nothing that a public service does" if code == OUT_OF_SCOPE else code
    return service.name


def explain(decision: Decision, catalogue: Catalogue) -> list[str]:
    """A whole decision, a sentence a line."""
    lines: list[str] = []
    if decision.emergency is not None:
        found = ", ".join(f"“{word}”" for word in decision.emergency.evidence)
        why = f": {found}" if found else ""
        lines.append(f"Danger to a person was found{why}. The authority's words were given at once.")
    if decision.language is not None:
        lines.append(f"The message is not in English (language {decision.language}).")
    many = len(decision.parts) > 1
    for number, part in enumerate(decision.parts, start=1):
        heading = f"Need {number} of {len(decision.parts)}: " if many else ""
        lines.append(f"{heading}{_outcome(part, catalogue)}")
        lines.extend(part.reasons)
    if decision.engine:
        lines.append(f"Decided by {decision.engine}.")
    return lines


def _outcome(part: Part, catalogue: Catalogue) -> str:
    service = None if part.service is None else name_of(part.service, catalogue)
    if part.action is Action.ROUTE:
        return f"{service} → {part.organisation}."
    if part.action is Action.EMERGENCY:
        return f"{service}: an emergency; {part.organisation} is alerted."
    if part.action is Action.SIGNPOST and part.signpost is not None:
        return f"{service} → {part.signpost.name}, outside this front door."
    if part.action is Action.CLARIFY:
        return f"Not sure: {part.question}"
    if part.action is Action.REFUSE:
        return "Nothing that a public service does; politely refused."
    return "Not sure enough; a person decides."
