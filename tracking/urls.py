from __future__ import annotations

from django.urls import re_path

from tracking import views

# Whatever stands behind the prefix: a malformed address is answered like any other.
urlpatterns = [
    re_path(r"^o/", views.hit, name="pixel"),
    re_path(r"^c/", views.hit, name="click"),
]
