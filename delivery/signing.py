"""The keys that sign an organization's mail: made, shown as DNS records, looked up when somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import dns.exception
import dns.resolver
from django.utils.translation import gettext as _

from accounts.models import Organization
from common.crypto import decrypt_secret, encrypt_secret
from common.tenancy import tenant
from delivery.connection_models import DkimAlgorithm, DkimKey
from delivery.dkim import Signer, load_key, new_key, record_of, says_the_same

LOOKUP_SECONDS = 5.0


def create_dkim_key(
    organization: Organization, domain: str, *, algorithm: DkimAlgorithm | str, now: datetime
) -> DkimKey:
    """A new key for a domain. It signs nothing until its record was seen in the DNS."""
    private, public = new_key(str(algorithm))
    name = domain.strip().lower().rstrip(".").encode("idna").decode()
    with tenant(organization.pk):
        taken = set(DkimKey.objects.filter(organization=organization, domain=name).values_list("selector", flat=True))
        stem = f"pli{now:%Y%m}" + ("e" if algorithm == DkimAlgorithm.ED25519 else "")
        selector = next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name not in taken)
        return DkimKey.objects.create(
            organization=organization,
            domain=name,
            selector=selector,
            algorithm=DkimAlgorithm(algorithm),
            sealed=encrypt_secret(private),
            public_key=public,
            created_at=now,
        )


def record_name(key: DkimKey) -> str:
    return f"{key.selector}._domainkey.{key.domain}"


def record_text(key: DkimKey) -> str:
    return record_of(key.algorithm, key.public_key)


def lookup_txt(name: str, *, nameservers: Sequence[str] = (), port: int = 53) -> list[str]:
    """The TXT records of a name; OSError with words when nobody could be asked."""
    try:
        resolver = dns.resolver.Resolver(configure=not nameservers)
        if nameservers:
            resolver.nameservers, resolver.port = list(nameservers), port
        answer = resolver.resolve(name, "TXT", lifetime=LOOKUP_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise OSError(str(error) or type(error).__name__) from error
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def check_dkim_key(
    organization: Organization,
    key: DkimKey,
    *,
    now: datetime,
    nameservers: Sequence[str] = (),
    port: int = 53,
) -> bool:
    """Look for the record of a key; it signs from the moment that it was seen. Without a network nothing changes."""
    try:
        found = lookup_txt(record_name(key), nameservers=nameservers, port=port)
    except OSError as error:
        _note(organization, key, words=_("No name server could be asked: %(words)s") % {"words": error}, now=now)
        return False
    if any(says_the_same(text, key.algorithm, key.public_key) for text in found):
        _note(organization, key, words="", now=now, signs=True)
        return True
    words = _("The record is there, but holds another key.") if found else _("There is no such record yet.")
    _note(organization, key, words=words, now=now, signs=False)
    return False


def _note(organization: Organization, key: DkimKey, *, words: str, now: datetime, signs: bool | None = None) -> None:
    key.check_words, key.checked_at = words[:500], now
    if signs is not None:
        key.signs_since = (key.signs_since or now) if signs else None
    with tenant(organization.pk):
        DkimKey.objects.filter(organization=organization, pk=key.pk).update(
            check_words=key.check_words, checked_at=now, signs_since=key.signs_since
        )


def signers_of(organization: Organization) -> dict[str, tuple[Signer, ...]]:
    """Who signs for which domain: of each kind of key the newest whose record was seen."""
    with tenant(organization.pk):
        keys = DkimKey.objects.filter(organization=organization, signs_since__isnull=False).order_by("created_at")
        newest = {(key.domain, key.algorithm): key for key in keys}
    found: dict[str, tuple[Signer, ...]] = {}
    for (domain, _algorithm), key in sorted(newest.items()):
        signer = Signer(domain, key.selector, load_key(decrypt_secret(key.sealed)))
        found[domain] = (*found.get(domain, ()), signer)
    return found
