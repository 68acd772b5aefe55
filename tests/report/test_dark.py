"""Figures in dark colours: greys are turned over, colours stay, the light picture is the same."""

import re

from kho_sim.report.dark import with_dark

SVG = (
    '<svg><defs><style type="text/css">*{}</style></defs>'
    '<g style="fill: #ffffff; stroke: #d55e00"/>'
    '<g style="fill: #505050"/><g style="fill: #ececec; stroke: #0072b2"/></svg>'
)


def test_greys_are_turned_over_and_other_colours_stay():
    dark = with_dark(SVG)
    assert '[style*="fill: #ffffff"]{fill:#181818!important}' in dark
    assert '[style*="fill: #505050"]{fill:#aeaeae!important}' in dark
    assert "svg{fill:#e8e8e8}" in dark
    assert '[style*="fill: #ececec"]{fill:#3e3e3e!important}' in dark  # not as dark as the page
    assert '[style*="stroke: #0072b2"]{stroke:#2a8ccc!important}' in dark
    assert "d55e00" not in re.findall(r"<style>.*?</style>", dark)[0]


def test_the_light_picture_stays():
    assert re.sub(r"<style>.*?</style>", "", with_dark(SVG)) == SVG
    assert with_dark("<svg/>") == "<svg/>"
