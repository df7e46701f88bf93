"""Import people, or suppressed addresses, from a file."""

from __future__ import annotations

import csv
import getpass
import sys
import time
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import Organization
from accounts.selectors import find_organizations
from campaigns.models import Campaign
from common.tenancy import tenant
from consent.models import Basis, InformedGround, Notice, Topic
from intake.imports import run_import
from intake.models import Import, ImportKind, ImportState
from intake.reasons import count_sentences
from intake.selectors import issue_lines
from intake.services import ImportPlan, ImportRefused, prepare_import, upload_import
from websites.models import ConsentScope

PROGRESS_SECONDS = 0.5


class Command(BaseCommand):
    # They are for those who deploy; here they would cost as much as fifty thousand people.
    requires_system_checks = ()
    help = (
        "Import participants from a CSV file: UTF-8, UTF-16 or Latin-1, cut by comma, semicolon or tab, with a header. "
        "Columns are read by their names (email, country, locale, first_name, last_name, external_id, "
        "consent_email_tracking, consent_email_opens, consent_email_clicks); others become attributes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--organization", required=True, help="its name, or its public id where two share a name")
        parser.add_argument("--kind", default=ImportKind.PARTICIPANTS.value, choices=ImportKind.values)
        parser.add_argument(
            "--mapping",
            action="append",
            default=[],
            metavar="COLUMN=FIELD",
            help="read a column as a field, as attribute:NAME, or leave it out (COLUMN=); may be given several times",
        )
        parser.add_argument("--topic", help="subscribe the people to it: its name, or website/topic")
        parser.add_argument("--basis", default="", choices=Basis.values, help="on what ground they get its mail")
        parser.add_argument("--subscription-source", default="", help="where the permission to send was collected")
        parser.add_argument("--subscription-wording", default="", help="what people agreed to")
        parser.add_argument("--campaign", help="let the people take part in it: its name")
        provenance = parser.add_argument_group(
            "provenance", "without all of it, a yes in a consent column stays unknown"
        )
        provenance.add_argument("--provenance-where", default="", help="where the answers were collected")
        provenance.add_argument("--collected-at", default="", metavar="YYYY-MM-DD", help="when")
        provenance.add_argument("--wording", default="", help="the wording that people saw")
        provenance.add_argument("--evidence", default="", help="where the evidence can be looked up")
        provenance.add_argument("--vouched-by", default="", help="who vouches for it (default: who runs this)")
        parser.add_argument("--consent-scope", help="which websites the answers are for: the name of a consent scope")
        informed = parser.add_argument_group(
            "informed, did not refuse",
            "of people without an answer; counts where the rule table allows it, and never as a yes. Needs all of it",
        )
        informed.add_argument(
            "--informed", default="", choices=InformedGround.values, help="why they count as informed"
        )
        informed.add_argument(
            "--informed-notice", metavar="WEBSITE[/LANGUAGE]", help="by the latest notice of this website"
        )
        informed.add_argument(
            "--informed-collected-at", default="", metavar="YYYY-MM-DD", help="when their addresses came in"
        )
        informed.add_argument("--informed-at", default="", metavar="YYYY-MM-DD", help="when they were informed")
        informed.add_argument("--informed-evidence", default="", help="where the evidence can be looked up")
        parser.add_argument("--errors", type=Path, help="write what is listed about rows to this CSV file")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = self._organization(options["organization"].strip())
        source = self._prepare(organization, options)
        done = run_import(organization.pk, source.pk, progress=self._progress())
        if sys.stderr.isatty():
            self.stderr.write("", ending="\r\x1b[K")
        self._report(done)
        if options["errors"] is not None:
            self._write_errors(organization, done, options["errors"])
        if done.state != ImportState.DONE:
            raise CommandError(done.message or f"The import is {done.get_state_display().lower()}.")

    def _organization(self, wanted: str) -> Organization:
        found = find_organizations(wanted)
        if not found:
            raise CommandError(f"There is no organization {wanted!r}.")
        if len(found) > 1:
            ids = ", ".join(str(organization.public_id) for organization in found)
            raise CommandError(f"Several organizations are called {wanted!r}; say which by its public id: {ids}.")
        with tenant(found[0].pk):
            return Organization.objects.get(pk=found[0].pk)

    def _prepare(self, organization: Organization, options: dict[str, Any]) -> Import:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        now = timezone.now()
        try:
            with tenant(organization.pk), path.open("rb") as file:
                source = upload_import(
                    organization, file=File(file), filename=path.name, kind=options["kind"], author=None, now=now
                )
                return prepare_import(organization, source, self._plan(organization, source, options), now=now)
        except ImportRefused as refusal:
            raise CommandError(str(refusal)) from refusal

    def _plan(self, organization: Organization, source: Import, options: dict[str, Any]) -> ImportPlan:
        mapping = dict(source.mapping)
        for pair in options["mapping"]:
            column, equals, target = pair.partition("=")
            if not equals:
                raise CommandError(f"Write --mapping as COLUMN=FIELD, not {pair!r}.")
            mapping[column.strip()] = target.strip()
        return ImportPlan(
            mapping=mapping,
            topic=self._topic(organization, options["topic"]),
            basis=options["basis"],
            subscription_source=options["subscription_source"],
            subscription_wording=options["subscription_wording"],
            campaign=self._campaign(organization, options["campaign"]),
            provenance={
                "where": options["provenance_where"],
                "collected_at": options["collected_at"],
                "wording": options["wording"],
                "evidence": options["evidence"],
                "vouched_by": options["vouched_by"] or getpass.getuser(),
            },
            scope=self._scope(organization, options["consent_scope"]),
            informed=self._informed(options),
            informed_notice=self._notice(organization, options["informed_notice"]),
        )

    def _scope(self, organization: Organization, name: str | None) -> ConsentScope | None:
        if not name:
            return None
        found = ConsentScope.objects.filter(organization=organization, name=name).first()
        if found is None:
            known = ", ".join(ConsentScope.objects.filter(organization=organization).values_list("name", flat=True))
            raise CommandError(f"There is no consent scope {name!r}. There are: {known}.")
        return found

    def _informed(self, options: dict[str, Any]) -> dict[str, str]:
        said = {
            "ground": options["informed"],
            "collected_at": options["informed_collected_at"],
            "informed_at": options["informed_at"],
            "evidence": options["informed_evidence"],
        }
        if not any(said.values()) and not options["informed_notice"]:
            return {}
        return {**said, "vouched_by": options["vouched_by"] or getpass.getuser()}

    def _notice(self, organization: Organization, wanted: str | None) -> Notice | None:
        """The latest of a website, in a language where one is named."""
        if not wanted:
            return None
        notices = Notice.objects.filter(organization=organization).select_related("website").order_by("-published_at")
        for notice in notices:
            if wanted in (notice.website.name, f"{notice.website.name}/{notice.language}"):
                return notice
        raise CommandError(f"There is no notice {wanted!r}. Name a website that has one, or website/language.")

    def _topic(self, organization: Organization, name: str | None) -> Topic | None:
        if not name:
            return None
        topics = Topic.objects.filter(organization=organization).select_related("website")
        found = [topic for topic in topics if name in (topic.name, f"{topic.website.name}/{topic.name}")]
        if len(found) != 1:
            known = ", ".join(f"{topic.website.name}/{topic.name}" for topic in topics)
            raise CommandError(f"{len(found)} topics are called {name!r}. There are: {known}.")
        return found[0]

    def _campaign(self, organization: Organization, name: str | None) -> Campaign | None:
        if not name:
            return None
        found = list(Campaign.objects.filter(organization=organization, name=name))
        if len(found) != 1:
            raise CommandError(f"{len(found)} campaigns are called {name!r}.")
        return found[0]

    def _progress(self) -> Any:
        began = time.monotonic()
        shown = 0.0

        def show(source: Import) -> None:
            nonlocal shown
            elapsed = time.monotonic() - began
            if sys.stderr.isatty() and elapsed - shown >= PROGRESS_SECONDS:
                shown = elapsed
                share = 100 * source.rows_done // max(source.rows_total, 1)
                line = f"{source.rows_done:,} of {source.rows_total:,} rows ({share} %, {elapsed:.0f} s)"
                self.stderr.write(line, ending="\r")

        return show

    def _report(self, source: Import) -> None:
        self.stdout.write(f"{source.filename}: {source.rows_done:,} of {source.rows_total:,} rows read.")
        for sentence in count_sentences(source.counts):
            self.stdout.write(f"- {sentence}")

    def _write_errors(self, organization: Organization, source: Import, path: Path) -> None:
        with tenant(organization.pk), path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(issue_lines(organization, source))
