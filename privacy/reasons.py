"""Sentences about what retention did, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import ngettext_lazy

COUNTED = {
    "hits": ngettext_lazy("%d open or click", "%d opens and clicks"),
    "orphaned_hits": ngettext_lazy("%d leftover hit of an erased person", "%d leftover hits of erased people"),
    "participants": ngettext_lazy("%d participant", "%d participants"),
    "participations": ngettext_lazy("%d participation", "%d participations"),
    "entries": ngettext_lazy("%d entry of a form", "%d entries of forms"),
    "answers": ngettext_lazy("%d answer to a question of an email", "%d answers to questions of emails"),
    "requests": ngettext_lazy("%d answered request", "%d answered requests"),
    "proofs": ngettext_lazy("%d sealed proof", "%d sealed proofs"),
    "service_messages": ngettext_lazy("%d service message", "%d service messages"),
    "links": ngettext_lazy("%d link that is over", "%d links that are over"),
    "imports": ngettext_lazy("%d file of an import", "%d files of imports"),
    "mailbox": ngettext_lazy("%d message of the mailbox", "%d messages of the mailbox"),
    "exports": ngettext_lazy("%d export of the organization", "%d exports of the organization"),
}


def counted_sentences(counts: Mapping[str, int]) -> list[str]:
    """What was removed, or would be; zeros are left out."""
    return [str(sentence % counts[name]) for name, sentence in COUNTED.items() if counts.get(name)]
