"""What the people of the demo say: a dozen needs, for as many different organisations."""

from __future__ import annotations

from typing import Any, Final

STORY: Final[list[tuple[str, dict[str, Any]]]] = [
    (
        "barnet",
        {
            "text": "The bin lorry came down Falkland Road this morning and left ours behind, still full to the top",
            "citizen": {"name": "Grace Okoro", "phone": "020 7946 0101", "address": "18 Falkland Road"},
            "postcode": "EN5 4NA",
        },
    ),
    (
        "barnet",
        {
            "text": "There is a great big pothole outside the dry cleaner's on Ballards Lane, I nearly came off my bike",
            "citizen": {"name": "Tomasz Nowak", "email": "tomasz@example.org"},
            "postcode": "N3 1XW",
        },
    ),
    (
        "barnet",
        {
            "text": "I've split up with my husband so I'm on my own now, can I get the single person council tax discount",
            "citizen": {"name": "Dawn Pritchard", "phone": "020 7946 0103"},
        },
    ),
    (
        "barnet",
        {
            "text": "kitchen tap wont turn off in my council flat, been dripping all night",
            "channel": "chat",
            "citizen": {"name": "Yusuf Ali", "address": "Flat 9, Grahame Park Way"},
        },
    ),
    (
        "barnet",
        {
            "text": "My brother has Down's syndrome, he's 34, and mum can't manage any more: what help is there for him",
            "citizen": {"name": "Helen Byrne", "email": "helen@example.org"},
        },
    ),
    (
        "barnet",
        {
            "text": "we just moved here from Leeds and need a school for my daughter, she's in year 4, after half term",
            "citizen": {"name": "Priya Raman", "phone": "020 7946 0106"},
        },
    ),
    (
        "barnet",
        {
            "text": "I can't cut my own toenails any more and I'm diabetic, could the foot clinic see me",
            "citizen": {"name": "Albert Finch", "date_of_birth": "1941-06-03", "phone": "020 7946 0107"},
        },
    ),
    (
        "barnet",
        {
            "text": "lost my job at the warehouse on friday, how do i sign on for universal credit",
            "channel": "chat",
            "citizen": {"name": "Jamie Cole", "email": "jamie@example.org"},
        },
    ),
    (
        "barnet",
        {
            "text": "They have put the bedroom tax on me because my son moved out and I can't afford the rent",
            "citizen": {"name": "Sandra Mills", "phone": "020 7946 0109"},
        },
    ),
    (
        "barnet",
        {
            "text": "Someone keyed my car overnight on Station Road, I'd like to report it to the police",
            "citizen": {"name": "Ben Adeyemi", "email": "ben@example.org"},
        },
    ),
    (
        "barnet",
        {
            "text": "Is there a food bank I can go to this week, we have nothing left until Thursday",
            "channel": "chat",
            "citizen": {"name": "Mia Hart"},
        },
    ),
    (
        "northamptonshire",
        {
            "text": "The street lamp at the end of Birchfield Road has been out since Sunday and it's pitch black",
            "citizen": {"name": "Colin Ward", "phone": "01604 496 0112"},
        },
    ),
]
"""Authority and the body of `POST /api/v1/requests`. Names and numbers are invented."""
