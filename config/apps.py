from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.core.signals import got_request_exception

# Every process asks for tasks by the application that knows the broker, the web included.
from config.celery import app as celery_app
from config.logs import note_failed_request


class ConfigConfig(AppConfig):
    """Here for its management commands and tasks."""

    default = True
    name = "config"
    celery = celery_app

    def ready(self) -> None:
        got_request_exception.connect(note_failed_request, dispatch_uid="config.note_failed_request")


class ConsoleConfig(admin_apps.SimpleAdminConfig):
    """The console is the admin site of every app; see config/console.py.

    Its pages are found by ``config.urls``: commands and workers, which have none, start a second earlier.
    """

    default = False
    default_site = "config.console.ConsoleSite"
