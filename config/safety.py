"""Settings that Pli does not serve people with: the sentences that stop its start (``python -m config.serve``)."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from environ import Env

# What 32 bytes of randomness need at least, however they are written.
SHORTEST_SECRET = 32


def unsafe_settings(environ: Mapping[str, str]) -> Iterator[str]:
    """What is wrong, and what to change."""
    base = urlsplit(environ.get("PLI_BASE_URL", ""))
    if base.scheme != "https" or not base.hostname:
        yield "PLI_BASE_URL has to begin with https:// and name this host: passwords and links go over it."
    hosts = [host.strip() for host in environ.get("PLI_ALLOWED_HOSTS", "").split(",") if host.strip()]
    if not hosts or any("*" in host for host in hosts):
        yield "PLI_ALLOWED_HOSTS has to name each host, without *: links in mails are made from it."
    secrets = [secret.strip() for secret in environ.get("PLI_SECRET_KEY", "").split(",") if secret.strip()]
    if not secrets:
        yield "PLI_SECRET_KEY is missing: give a random word, the same to every service, and keep it."
    elif any(len(secret) < SHORTEST_SECRET for secret in secrets):
        yield f"PLI_SECRET_KEY has a secret of fewer than {SHORTEST_SECRET} characters: make a longer one at random."
    if Env.parse_value(environ.get("PLI_DEBUG", ""), bool):
        yield "PLI_DEBUG shows strangers what stands in memory: take it away."
