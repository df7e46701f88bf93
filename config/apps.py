from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConfigConfig(AppConfig):
    """Here for its management commands and tasks."""

    default = True
    name = "config"


class ConsoleConfig(admin_apps.AdminConfig):
    """The console is the admin site of every app; see config/console.py."""

    default = False
    default_site = "config.console.ConsoleSite"
