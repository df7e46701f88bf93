"""What comes in as a file: one form, one kind. Whoever adds another judges its content and says so here.

Nobody uploads pictures: emails name theirs by address. One that came in would have to be read by its content, with a
limit on its size in pixels, and written anew without what a camera put into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django import forms
from django.apps import apps
from django.db.models import FileField
from django.forms.forms import BaseForm
from django.urls import get_resolver

ROOT = Path(__file__).parents[2]
OURS = tuple(sorted({config.name for config in apps.get_app_configs() if (ROOT / config.name).is_dir()}))


def test_files_lie_where_they_are_known() -> None:
    fields = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, FileField)
    }
    # The second is written by ourselves.
    assert fields == {"intake.Import.file", "intake.PeopleExport.file"}


def test_one_form_takes_a_file_and_it_is_read_by_its_content() -> None:
    assert get_resolver().url_patterns, "the addresses load every form"
    taking = {
        f"{form.__module__}.{form.__name__}"
        for form in _below(BaseForm)
        if form.__module__.startswith(OURS)
        and any(isinstance(field, forms.FileField) for field in getattr(form, "base_fields", {}).values())
    }
    # tests/intake/test_files.py shows what it refuses, tests/isolation/attacks_on_content.py that nothing gets past it.
    assert taking == {"intake.import_forms.UploadForm"}


def _below(form: type) -> Iterator[type]:
    for one in form.__subclasses__():
        yield one
        yield from _below(one)


def test_no_view_reads_a_file_past_its_form() -> None:
    files = [file for app in OURS for file in (ROOT / app).rglob("*.py")]
    reading = {str(file.relative_to(ROOT)) for file in files if re.search(r"\.FILES\b", file.read_text())}
    assert reading == {"intake/admin/imports.py"}
    assert len(files) > 200
