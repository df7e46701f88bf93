"""The email of a launch as it was sent, with what was counted at each of its links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from django.utils.translation import gettext as _

from accounts.models import Organization
from campaigns.models import Launch
from campaigns.previews import EXAMPLE_URLS
from campaigns.rendering import about_person, about_sender
from delivery.readers import without_measuring
from delivery.rendering import CompiledEmail, EmailFiller
from reporting.reports import LaunchReport, LinkRow
from reporting.tables import Cell, TooFew, Unsaid, cell_words, not_counted
from tracking.markup import scan_tags

# Stands in an address until the badge of its link is placed; no author writes it.
_MARK = "#pli-link-map-"
_BADGE = (
    "display:inline-block;margin:0 4px 2px 0;padding:1px 6px;border:1px solid #ffffff;border-radius:9px;"
    "background:#003b66;color:#ffffff;font:bold 12px/16px Arial,Helvetica,sans-serif;letter-spacing:normal;"
    "text-decoration:none;text-transform:none;white-space:nowrap"
)


@dataclass(frozen=True, slots=True)
class LinkMark:
    """What the badge of a link says, and its row in the table beside the email."""

    number: int
    label: str
    url: str
    people: Cell
    clicks: Cell
    # Of people whom nobody can tell apart.
    counted: Cell

    @property
    def words(self) -> str:
        """People and clicks; else what was counted anonymously; else why there is no number."""
        if isinstance(self.clicks, int):
            return f"{self.people} / {self.clicks}"
        if isinstance(self.counted, int):
            return f"≥ {self.counted}"
        return cell_words(self.counted) or ""


def link_marks(report: LaunchReport) -> list[LinkMark]:
    """All links of the email in their order, with the numbers of the report."""
    nothing = not_counted(report.figures.counted_clicks)
    return [_mark(link, Unsaid.IMPLAUSIBLE if link.set_aside else nothing) for link in report.links]


def _mark(link: LinkRow, nothing: Unsaid | TooFew) -> LinkMark:
    measured = link.people.measured
    return LinkMark(
        number=link.number,
        label=link.label,
        url=link.url,
        people=link.people.count if measured else Unsaid.NOT_MEASURED,
        clicks=link.clicks if measured else Unsaid.NOT_MEASURED,
        counted=nothing if link.counted is None else link.counted,
    )


def mapped_email(organization: Organization, launch: Launch, marks: Sequence[LinkMark]) -> str:
    """The HTML as frozen by the launch, for an example person, with a badge at each link.

    Nothing of it is measured, and its links lead straight to where they lead (rule S14).
    """
    compiled = CompiledEmail.from_dict(launch.mailing.snapshot.compiled)
    marked = replace(compiled, links=tuple(replace(link, original=f"{_MARK}{link.number}") for link in compiled.links))
    recipient = {**about_sender(organization, launch.email), **about_person(launch.email, None)}
    html = EmailFiller(marked).fill(recipient, EXAMPLE_URLS).html
    return without_measuring(_with_badges(html, compiled, {mark.number: mark for mark in marks}))


def _with_badges(html: str, compiled: CompiledEmail, marks: dict[int, LinkMark]) -> str:
    numbers = {f"{_MARK}{link.number}": link.number for link in compiled.links}
    originals = {link.number: link.original for link in compiled.links}
    pieces: list[str] = []
    position = 0
    for tag in scan_tags(html):
        href = tag.attribute("href")
        number = numbers.get(href.raw_value) if href else None
        if href is None or number is None:
            continue
        pieces += (html[position : href.start], originals[number], html[href.end : tag.end])
        position = tag.end
        # A map's area has no inside, and Outlook alone shows its own buttons.
        if tag.name == "a" and not tag.outlook_only and number in marks:
            pieces.append(_badge(marks[number]))
    return "".join([*pieces, html[position:]])


def _badge(mark: LinkMark) -> str:
    says = _("Link %(number)s: %(count)s") % {"number": mark.number, "count": mark.words}
    return f'<span style="{_BADGE}" title="{escape(says)}">{mark.number}&nbsp;·&nbsp;{escape(mark.words)}</span>'
