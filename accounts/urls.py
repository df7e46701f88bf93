"""Pages of people who are not in the console: invited, without an organization, or operators."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("invitation/<str:key>/", views.invitation, name="account_invitation"),
    path("organizations/", views.organizations, name="account_organizations"),
    path("operator/", views.operator, name="account_operator"),
]
