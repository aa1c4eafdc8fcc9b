"""Files that citizens send: what they really are, how large they may be, pictures freed of all but the picture."""

from __future__ import annotations

import io
import re
from typing import Final

import msgspec
from PIL import Image, ImageOps

MOST_BYTES: Final = 8 * 1024 * 1024
MOST_OF_A_CONVERSATION: Final = 24 * 1024 * 1024
MOST_PIXELS: Final = 50_000_000
"""A picture that unpacks to more is a trap, or of no use."""
LONGEST_SIDE: Final = 2600
"""Pixels; larger pictures are made smaller. Enough to read a number plate."""

_PICTURES: Final = {"JPEG": ("image/jpeg", "jpg"), "PNG": ("image/png", "png")}
_READ: Final = ("JPEG", "PNG", "WEBP", "GIF")
_UNSAFE: Final = re.compile(r"[^\w .()-]+")


class WrongFile(ValueError):
    """It is not one of the kinds that are taken, or is damaged."""


class CleanFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that may be kept."""

    name: str
    media_type: str
    content: bytes


def clean(name: str, content: bytes) -> CleanFile:
    """Look at the bytes, not at the name. Pictures are drawn anew, so that place, camera and all else in them are gone.

    Raises `WrongFile`.
    """
    stem = safe_name(name)
    if content.startswith(b"%PDF-"):
        return CleanFile(name=f"{stem}.pdf", media_type="application/pdf", content=content)
    return _picture(stem, content)


def safe_name(name: str) -> str:
    """A file's name without its folder, its ending, and whatever a file system might take amiss."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    stem = last.rsplit(".", 1)[0] if "." in last else last
    return _UNSAFE.sub("_", stem).strip(" ._")[:80] or "file"


def _check_size(image: Image.Image) -> None:
    """Before anything is unpacked."""
    if image.width * image.height > MOST_PIXELS:
        raise WrongFile("the picture is too large")


def _picture(stem: str, content: bytes) -> CleanFile:
    try:
        with Image.open(io.BytesIO(content), formats=_READ) as image:
            _check_size(image)
            opaque = image.format == "JPEG" or (
                "A" not in image.getbands() and "transparency" not in image.info
            )
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            kind = "JPEG" if opaque else "PNG"
            drawn = upright.convert("RGB" if opaque else "RGBA")
            bare = Image.frombytes(drawn.mode, drawn.size, drawn.tobytes())
            written = io.BytesIO()
            bare.save(written, kind, quality=85, optimize=True)
    except WrongFile:
        raise
    except Exception as error:  # whatever a damaged picture sets off, it is a damaged picture
        raise WrongFile("it is no picture that can be read, and no PDF") from error
    media_type, ending = _PICTURES[kind]
    return CleanFile(name=f"{stem}.{ending}", media_type=media_type, content=written.getvalue())
