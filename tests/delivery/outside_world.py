"""An organization whose exit-screen emails somebody else sends, and the endpoint that takes them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from accounts.models import Organization
from common.tenancy import tenant
from consent.rules import ChoiceValue
from delivery.connection_models import Connection, WebsiteConnection
from delivery.connections import built_in, seal_secrets
from delivery.models import Mailing, Message, OutsidePerson, Purpose
from delivery.pushing_changes import tell_changes
from delivery.sending import Progress
from participants.models import Participant
from tests.delivery.world import World
from tests.support.outside import ActitoEndpoint, JsonEndpoint, OutsideServer
from tests.support.world import choose


def make_sender(world: World, server: OutsideServer, **fields: Any) -> Connection:
    """The website's outside sender."""
    organization = world.cast.bakery
    endpoint = server.endpoint
    if isinstance(endpoint, JsonEndpoint):
        row = Connection(organization=organization, name="Outside", kind="push", options={"push_url": server.url})
        seal_secrets(row, {"push_secret": endpoint.secret})
    else:
        row = Connection(organization=organization, name="Actito", kind="push", provider="actito")
        row.options = actito_options(server, endpoint)
        seal_secrets(row, {"api_key": endpoint.api_key})
    for name, value in fields.items():
        setattr(row, name, value)
    with tenant(organization.pk):
        row.save()
        WebsiteConnection.objects.create(
            organization=organization, website=world.website, connection=built_in(organization), outside=row
        )
    return row


def actito_options(server: OutsideServer, endpoint: ActitoEndpoint) -> dict[str, Any]:
    return {
        "base_url": f"{server.base}/v4",
        "token_url": f"{server.base}/auth/token",
        "tables_url": f"{server.base}/profile-table-structure/v5/entities/{{entity}}/profile-tables",
        "entity": endpoint.entity,
        "table": endpoint.table,
        "campaign": "Exit",
        "first_name_attribute": "firstName",
        "language_attribute": "motherLanguage",
        "parameters": {"pliReference": "reference", "preferences": "preferences_url"},
        "subscriptions": {"News": "Newsletter"},
    }


@dataclass
class Outside:
    """A world, its outside sender and the endpoint."""

    world: World
    server: OutsideServer
    sender: Connection

    @property
    def organization(self) -> Organization:
        return self.world.cast.bakery

    def person(self, name: str, choice: ChoiceValue | None = None, **fields: str) -> Participant:
        return self.world.person(name, choice=choice, **fields)

    def mailing(self, *people: Participant) -> Mailing:
        mailing = self.world.mailing(list(people), purpose=Purpose.TRANSACTIONAL, topic=False)
        with tenant(self.organization.pk):
            Mailing.objects.filter(pk=mailing.pk).update(exit_screen=True)
        return mailing

    def hand_over(self, mailing: Mailing, **later: float) -> Progress:
        return self.world.send(mailing, **(later or {"seconds": 1}))

    def choose(self, person: Participant, value: ChoiceValue) -> None:
        self.world.time += timedelta(seconds=1)
        choose(self.organization, person, now=self.world.time, opens=value, clicks=value)

    def tell(self, **later: float) -> Counter[str]:
        self.world.time += timedelta(**(later or {"seconds": 1}))
        return tell_changes(self.organization.pk, self.sender.pk, clock=self.world.clock)

    def row(self, name: str) -> OutsidePerson:
        with tenant(self.organization.pk):
            return OutsidePerson.objects.get(connection=self.sender, participant__email=f"{name}@example.org")

    def rows(self) -> int:
        with tenant(self.organization.pk):
            return OutsidePerson.objects.count()

    def message(self, mailing: Mailing, name: str) -> Message:
        return self.world.rows(mailing)[name]

    def fresh(self) -> Connection:
        with tenant(self.organization.pk):
            return Connection.objects.select_related("organization").get(pk=self.sender.pk)

    def said_of(self, name: str) -> list[tuple[str, bool]]:
        """What the endpoint took of a person, in its order: the event and whether they may be measured."""
        return [
            (body["event"], body["tracking"]["allowed"])
            for body in self.server.taken
            if body["person"]["email"] == f"{name}@example.org"
        ]
