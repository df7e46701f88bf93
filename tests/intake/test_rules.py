"""Which column is what, and the words of older tools."""

from __future__ import annotations

import pytest

from intake.rules import (
    FileFault,
    FileProblem,
    Issue,
    Kind,
    SuppressedAs,
    check_mapping,
    guess_mapping,
    has_consent,
    has_provenance,
    merge_answers,
    missing_provenance,
    parse_reason,
)

PROVENANCE = {
    "where": "shop",
    "collected_at": "2026-05-01",
    "wording": "May we?",
    "evidence": "crm",
    "vouched_by": "Ana",
}


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (["E-mail", "Country", "Language", "First name", "Last name"], ["email", "country", "locale"]),
        (["Adresse e-mail", "Pays", "Langue", "Prénom", "Nom"], ["email", "country", "locale"]),
        (["Indirizzo e-mail", "Paese", "Lingua", "Nome", "Cognome"], ["email", "country", "locale"]),
        (["E-Mail-Adresse", "LAND", "sprache", "Vorname", "Nachname"], ["email", "country", "locale"]),
    ],
)
def test_columns_are_known_by_their_names_in_four_languages(header: list[str], fields: list[str]) -> None:
    mapping = guess_mapping(header, kind=Kind.PARTICIPANTS)
    assert list(mapping.values()) == [*fields, "first_name", "last_name"]


def test_consent_and_external_id_columns_are_known_and_others_become_attributes() -> None:
    header = ["email", "external_id", "consent_email_tracking", "Consent email opens", "consent_email_clicks", "Ville"]
    mapping = guess_mapping(header, kind=Kind.PARTICIPANTS)
    assert list(mapping.values()) == [
        "email",
        "external_id",
        "consent_email_tracking",
        "consent_email_opens",
        "consent_email_clicks",
        "attribute:Ville",
    ]
    assert has_consent(mapping)
    assert not has_consent({"email": "email"})


def test_a_field_is_taken_once_and_columns_without_a_name_are_left_out() -> None:
    mapping = guess_mapping(["email", "mail", "#3"], kind=Kind.PARTICIPANTS)
    assert mapping == {"email": "email", "mail": "attribute:mail", "#3": ""}


def test_a_list_of_suppressed_addresses_has_addresses_and_reasons_only() -> None:
    mapping = guess_mapping(["email", "Motif", "country"], kind=Kind.SUPPRESSIONS)
    assert mapping == {"email": "email", "Motif": "reason", "country": ""}


@pytest.mark.parametrize(
    ("mapping", "fault"),
    [
        ({"a": ""}, FileFault.NO_EMAIL_COLUMN),
        ({"a": "email", "b": "email"}, FileFault.FIELD_TWICE),
        ({"a": "email", "b": "shoe_size"}, FileFault.UNKNOWN_FIELD),
        ({"a": "email", "b": "reason"}, FileFault.UNKNOWN_FIELD),
        ({"a": "email", "c": "country"}, FileFault.UNKNOWN_COLUMN),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(mapping: dict[str, str], fault: FileFault) -> None:
    with pytest.raises(FileProblem) as raised:
        check_mapping(["a", "b"], mapping, kind=Kind.PARTICIPANTS)
    assert raised.value.fault is fault


def test_provenance_counts_only_whole() -> None:
    assert has_provenance(PROVENANCE)
    for part in PROVENANCE:
        assert missing_provenance(PROVENANCE | {part: " "}) == [part]
        assert not has_provenance(PROVENANCE | {part: ""})
    assert not has_provenance({})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", SuppressedAs.UNSUBSCRIBED),
        ("Opt-out", SuppressedAs.UNSUBSCRIBED),
        ("Désabonné", SuppressedAs.UNSUBSCRIBED),
        ("hard_bounce", SuppressedAs.BOUNCED),
        ("Bounced", SuppressedAs.BOUNCED),
        ("SPAM complaint", SuppressedAs.COMPLAINED),
        ("soft bounce", Issue.TEMPORARY_BOUNCE),
        ("lost in space", Issue.REASON_UNKNOWN),
    ],
)
def test_reasons_of_older_tools(text: str, reason: SuppressedAs | Issue) -> None:
    assert parse_reason(text) is reason


@pytest.mark.parametrize(
    ("earlier", "later", "merged"),
    [("yes", "no", "no"), ("no", "yes", "no"), ("", "yes", "yes"), ("yes", "", "yes"), ("no", "", "no"), ("", "", "")],
)
def test_a_yes_of_the_same_file_does_not_undo_a_no(earlier: str, later: str, merged: str) -> None:
    assert (merge_answers(earlier, later) or "") == merged
