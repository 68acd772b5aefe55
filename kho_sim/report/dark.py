"""Figures for readers who have chosen dark colours: greys are turned over, colours stay but for a
blue that would be too dark.

The rules are inside the picture, which a browser shows by the colours of the page around it. Left
out: pictures of dots.
"""

from __future__ import annotations

import re

LIGHTEST, DARK, DARKEST = 232, 48, 24
"""The grey that black becomes, that one next to white becomes, and that white itself becomes, so
that the palest marks can be told from the page."""
LIGHTER = {"#0072b2": "#2a8ccc"}
NEUTRAL = 6
"""Parts of a colour that differ by no more than this make a grey."""

_COLOUR = re.compile(r"(fill|stroke): (#[0-9a-f]{6})\b")
_STYLE = "<style"


def with_dark(svg: str) -> str:
    """Return a picture of matplotlib's with rules for dark pages; one without styles as it is."""
    used = sorted(set(_COLOUR.findall(svg)))
    rules = [
        f'[style*="{what}: {colour}"]{{{what}:{_turned(colour)}!important}}'
        for what, colour in used
        if _is_grey(colour) or colour in LIGHTER
    ]
    # What has no colour of its own is black: most text.
    text = "".join([f"svg{{fill:{_grey(LIGHTEST)}}}", *rules])
    style = f"<style>@media (prefers-color-scheme:dark){{{text}}}</style>"
    return svg.replace(_STYLE, f"{style}{_STYLE}", 1)


def _parts(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def _is_grey(colour: str) -> bool:
    return max(_parts(colour)) - min(_parts(colour)) <= NEUTRAL


def _turned(colour: str) -> str:
    if colour in LIGHTER:
        return LIGHTER[colour]
    lightness = sum(_parts(colour)) / 3 / 255
    return _grey(DARKEST if lightness == 1 else round(LIGHTEST - lightness * (LIGHTEST - DARK)))


def _grey(lightness: int) -> str:
    return "#" + bytes([lightness] * 3).hex()
