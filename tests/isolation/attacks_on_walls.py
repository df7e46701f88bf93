"""Out of one organization into another, and past what a form offers."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from django.contrib.admin.options import ModelAdmin
from django.db import IntegrityError, connection
from django.forms import ModelChoiceField
from django.urls import reverse

from accounts.admin import TenantAdmin
from accounts.models import Organization
from common.tenancy import tenant
from consent.admin.topics import TopicAdmin
from consent.models import Topic
from intake.import_forms import PlanForm
from intake.models import Import
from tests.isolation.attacks import Attack, Stage, both, signed_in, without_constraint
from tests.isolation.matrix import BAKERY
from tests.isolation.walls import without_row_security
from tests.support.world import make_website
from websites.models import Website


def _kept() -> bool:
    """Whether the database keeps what was written, asked before the end of the transaction."""
    try:
        connection.check_constraints()
    except IntegrityError:
        return False
    return True


def foreign_key_by_form(stage: Stage) -> bool:
    """Cinema makes a topic for Bakery's website."""
    website = stage.house.bakery[Website]
    signed_in(stage.cast.cleo).post(reverse("admin:consent_topic_add"), {"website": website.pk, "name": "Ours now"})
    with tenant(stage.cast.cinema.pk):
        made = Topic.objects.filter(name="Ours now", website_id=website.pk).exists()
    return made and _kept()


def foreign_key_by_import(stage: Stage) -> bool:
    """Cinema imports people into Bakery's topic."""
    topic, source = stage.house.bakery[Topic], stage.house.cinema[Import]
    assert isinstance(source, Import)
    cinema = stage.cast.cinema
    with tenant(cinema.pk):
        form = PlanForm({"topic": topic.pk}, organization=cinema, source=source, author=stage.cast.cleo)
        form.is_valid()
        chosen = form.cleaned_data.get("topic")
        if chosen is None:
            return False
        Import.objects.filter(pk=source.pk).update(topic=chosen)
    return _kept()


def _anything_that_exists(field: ModelChoiceField[Any], value: object) -> object:
    assert field.queryset is not None
    return field.queryset.model._base_manager.filter(pk=value).first() if value else None


def _without_choices() -> Any:
    """Form fields take whatever exists instead of what they offer."""
    return patch.object(ModelChoiceField, "to_python", _anything_that_exists)


def read_by_a_forgotten_filter(stage: Stage) -> bool:
    """Cinema's owner looks everywhere; the console forgets to ask whose rows they are."""
    with patch.object(TenantAdmin, "get_queryset", ModelAdmin.get_queryset):
        client = signed_in(stage.cast.cleo)
        return BAKERY in client.get(reverse("admin:participants_participant_changelist")).content.decode()


def mass_assignment_of_a_website(stage: Stage) -> bool:
    """A topic that people subscribed to moves to another website by a field that its form does not show."""
    topic = stage.house.cinema[Topic]
    other = make_website(stage.cast.cinema, stage.cast.cleo, now=stage.now, name="Other")
    client = signed_in(stage.cast.cleo)
    client.post(reverse("admin:consent_topic_change", args=[topic.pk]), {"website": other.pk, "name": "Moved"})
    with tenant(stage.cast.cinema.pk):
        return Topic.objects.get(pk=topic.pk).website_id == other.pk


def mass_assignment_of_an_organization(stage: Stage) -> bool:
    """A new topic names another organization as its owner."""
    website, bakery = stage.house.cinema[Website], stage.cast.bakery
    values = {"website": website.pk, "name": "A present", "organization": bakery.pk, "organization_id": bakery.pk}
    signed_in(stage.cast.cleo).post(reverse("admin:consent_topic_add"), values)
    with tenant(bakery.pk):
        return Topic.objects.filter(name="A present").exists()


def _save_what_was_sent(model_admin: Any, request: Any, obj: Any, form: Any, change: bool) -> None:
    obj.organization = Organization.objects.get(pk=request.POST["organization"])
    obj.save()


ATTACKS = [
    Attack(
        "foreign key of another organization by form",
        foreign_key_by_form,
        both(
            lambda: patch.object(TenantAdmin, "formfield_for_foreignkey", ModelAdmin.formfield_for_foreignkey),
            without_row_security,
            without_constraint("consent_topic", "consent_topic_website_within"),
        ),
    ),
    Attack(
        "foreign key of another organization by import",
        foreign_key_by_import,
        both(_without_choices, without_row_security, without_constraint("intake_import", "intake_import_topic_within")),
    ),
    Attack("a list that forgets the organization", read_by_a_forgotten_filter, without_row_security),
    Attack(
        "mass assignment of what a form does not show",
        mass_assignment_of_a_website,
        lambda: patch.object(TopicAdmin, "get_readonly_fields", lambda *_args: ()),
    ),
    Attack(
        "mass assignment of the organization",
        mass_assignment_of_an_organization,
        both(
            lambda: patch.object(TenantAdmin, "save_model", _save_what_was_sent),
            without_row_security,
            without_constraint("consent_topic", "consent_topic_website_within"),
        ),
    ),
]
