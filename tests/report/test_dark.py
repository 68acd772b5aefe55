"""Figures in dark colours: greys are turned over, colours stay, the light picture is the same."""

import re

from kho_sim.report.dark import with_dark

SVG = (
    '<svg><defs><style type="text/css">*{}</style></defs>'
    '<g style="fill: #ffffff; stroke: #0072b2"/>'
    '<g style="fill: #505050"/></svg>'
)


def test_greys_are_turned_over_and_colours_are_not():
    dark = with_dark(SVG)
    assert '[style*="fill: #ffffff"]{fill:#181818!important}' in dark
    assert '[style*="fill: #505050"]{fill:#a7a7a7!important}' in dark
    assert "svg{fill:#e8e8e8}" in dark
    assert "0072b2" not in re.findall(r"<style>.*?</style>", dark)[0]


def test_the_light_picture_stays():
    assert re.sub(r"<style>.*?</style>", "", with_dark(SVG)) == SVG
    assert with_dark("<svg/>") == "<svg/>"
