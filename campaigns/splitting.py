"""Who of an audience gets which version of an A/B test: by a keyed hash, so the same however often it is asked."""

from __future__ import annotations

import copy

from django.db.models import BigIntegerField, Count, Exists, Func, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat

from accounts.models import Organization
from campaigns.models import Email, Launch, SplitTest, Variant
from campaigns.rules import SLOTS, slots_of
from delivery.models import Message
from participants.models import Participant

VARIED = ("subject", "sender_name", "body")


def version_of(email: Email, variant: Variant) -> Email:
    """The email as one version has it; never saved."""
    version = copy.copy(email)
    for name in VARIED:
        if value := getattr(variant, name):
            setattr(version, name, value)
    if variant.body:
        # Made from the version's own body.
        version.text = ""
    return version


def variants_of(test: SplitTest) -> list[Variant]:
    """The versions in the order of their letters."""
    return list(test.variants.order_by("letter"))


def versions_of(email: Email, test: SplitTest | None) -> dict[str, Email]:
    """What may be looked at before it is sent, by letter: under "" the email itself, then each version of its test."""
    variants = variants_of(test) if test is not None else []
    return {"": email} | {variant.letter: version_of(email, variant) for variant in variants}


def _slot(test: SplitTest) -> Func:
    """``rules.slot_of`` in SQL."""
    return Func(
        Concat(Value(f"{test.salt.hex}:"), Cast("pk", TextField()), output_field=TextField()),
        template=(
            "mod(('x' || substr(encode(sha256(convert_to(%(expressions)s, 'UTF8')), 'hex'), 1, 8))::bit(32)::bigint,"
            f" {SLOTS})"
        ),
        output_field=BigIntegerField(),
    )


def _slots(test: SplitTest) -> dict[str, range]:
    letters = [variant.letter for variant in variants_of(test)]
    return {letter: slots_of(number, len(letters), test.share) for number, letter in enumerate(letters)}


def people_of_version(
    organization: Organization, people: QuerySet[Participant], launch: Launch
) -> QuerySet[Participant]:
    """Of an audience, those who get what a launch sends: the whole of it where it is of no test.

    The rest of a test is whoever got none of its versions, also those who came to the audience since.
    """
    if launch.variant is None:
        return people
    test = launch.variant.test
    if launch.sends_rest:
        mailings = list(
            Launch.objects.filter(organization=organization, variant__test=test)
            .exclude(pk=launch.pk)
            .values_list("mailing_id", flat=True)
        )
        got = Message.objects.filter(organization=organization, mailing__in=mailings, participant=OuterRef("pk"))
        return people.exclude(Exists(got))
    slots = _slots(test)[launch.variant.letter]
    return people.alias(slot=_slot(test)).filter(slot__gte=slots.start, slot__lt=slots.stop)


def count_versions(people: QuerySet[Participant], test: SplitTest) -> dict[str, int]:
    """How many of an audience would get each version now, by letter; under "" those who wait."""
    slots = _slots(test)
    counted = (
        people.order_by()
        .annotate(slot=_slot(test))
        .aggregate(
            everybody=Count("pk"),
            **{
                f"version_{letter}": Count("pk", filter=Q(slot__gte=own.start, slot__lt=own.stop))
                for letter, own in slots.items()
            },
        )
    )
    versions = {letter: int(counted[f"version_{letter}"]) for letter in slots}
    return versions | {"": int(counted["everybody"]) - sum(versions.values())}
