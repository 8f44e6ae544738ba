"""A site whose name has letters outside ASCII: each link carries its ASCII form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import zxingcpp
from django.contrib.sites.models import Site
from django.core import mail as outbox
from django.template import Context, Template
from django.test import Client

from invitation.flows.sharing import share
from invitation.keys import message_ids, qr, sites
from tests import scenes
from tests.delivery.test_received_mails import KINDS, Links, Received, send, wire
from tests.factories import make_user
from tests.views.test_managing import rasterized

__all__ = ["wire"]

pytestmark = pytest.mark.django_db

ASCII = "https://xn--bcher-kva.example"
#: How people write a name, and its ASCII form.
NAMES = {
    "bücher.example": "xn--bcher-kva.example",
    "bu\u0308cher.example": "xn--bcher-kva.example",
    "BÜCHER.Example": "xn--bcher-kva.example",
    "bücher\u3002example": "xn--bcher-kva.example",
    "bücher.example.": "xn--bcher-kva.example.",
    "bücher.example:8443": "xn--bcher-kva.example:8443",
    "my_host.bücher.example": "my_host.xn--bcher-kva.example",
    "xn--bcher-kva.example": "xn--bcher-kva.example",
    "straße.example": "xn--strae-oqa.example",  # IDNA 2003 makes it strasse.example
    "हिन्दी.example": "xn--j2bd4cyah0f.example",
    "نامه\u200cای.example": "xn--mgba3gch31f060k.example",
    "пример.рф": "xn--e1afmkfd.xn--p1ai",
}


@pytest.fixture(autouse=True)
def _fresh_sites() -> Iterator[None]:
    Site.objects.clear_cache()
    yield
    Site.objects.clear_cache()


def name_site(domain: str) -> None:
    Site.objects.update(domain=domain)
    Site.objects.clear_cache()


@pytest.fixture(params=["site", "setting"])
def _named(request: pytest.FixtureRequest, settings: Any) -> None:
    """Name the site in another script, in one of the ways that there are."""
    if request.param == "site":
        name_site("bücher.example")
    else:
        settings.INVITATION_BASE_URL = "https://bücher.example"


@pytest.mark.parametrize(("name", "host"), NAMES.items())
def test_each_way_to_write_a_name_gives_one_host(settings: Any, name: str, host: str) -> None:
    name_site(name)
    assert sites.base_url(1) == f"https://{host}"
    settings.INVITATION_BASE_URL = f"https://{name}/"
    assert sites.base_url(1) == f"https://{host}"
    settings.INVITATION_BASE_URL, settings.ALLOWED_HOSTS = None, [f".{name}"]
    assert sites.base_url(sites.NO_SITE_ID) == f"https://{host}"


def test_a_path_in_the_setting_is_ascii_too(settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://bücher.example/läden"
    assert sites.base_url(1) == f"{ASCII}/l%C3%A4den"


def test_people_read_the_name_as_it_is_written(settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://bücher.example"
    site = sites.get_site(sites.NO_SITE_ID)
    assert (site.name, site.domain) == ("bücher.example", "xn--bcher-kva.example")


# -- the emails --


@pytest.mark.usefixtures("_named")
@pytest.mark.parametrize("kind", KINDS)
def test_each_link_of_a_received_email_is_ascii(
    wire: list[Received],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    send(kind, "de", "accents", monkeypatch)
    [received] = wire
    plain, html = (
        str(received.message.get_body((form,)).get_content())  # type: ignore[union-attr]
        for form in ("plain", "html")
    )
    found = re.findall(r"https?://\S+", plain) + Links(html).links
    assert len(found) > 1
    assert [link for link in found if not link.startswith(f"{ASCII}/") and link != ASCII] == []
    assert "bücher" not in plain + html


@pytest.mark.usefixtures("_named")
@pytest.mark.parametrize("name", ["bücher.example", "ü" * 50 + ".bücher.example"])
def test_the_header_is_one_line_of_ascii(
    wire: list[Received],
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    name: str,
) -> None:
    """RFC 2369, 2: addresses in angle brackets, never encoded words (RFC 2047, 5)."""
    name_site(name)
    if getattr(settings, "INVITATION_BASE_URL", None):
        settings.INVITATION_BASE_URL = f"https://{name}"
    send("invitation", "de", "accents", monkeypatch)
    lines = wire[0].raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    [at] = [at for at, line in enumerate(lines) if line.lower().startswith(b"list-unsubscribe:")]
    host = sites.ascii_host(name).encode()
    assert re.fullmatch(
        rb"List-Unsubscribe: <https://%s/\S+/unsubscribe/[\w.:-]+/>" % host, lines[at]
    )
    assert not lines[at + 1].startswith((b" ", b"\t"))


@pytest.mark.usefixtures("_named")
def test_the_emails_of_accounts_have_such_links(client: Client) -> None:
    make_user("ann", email="ann@example.com")
    client.post("/accounts/password/reset/", {"email": "ann@example.com"})
    links = re.findall(r"https?://\S+", str(outbox.outbox[0].body))
    assert len(links) > 1
    assert all(link.startswith(ASCII) for link in links)


@pytest.mark.usefixtures("_named")
def test_a_message_id_is_of_the_ascii_host() -> None:
    assert message_ids.make(1, "L", 1).endswith("@xn--bcher-kva.example>")


def test_it_is_of_idna_2008() -> None:
    name_site("straße.example")
    assert message_ids.make(1, "L", 1).endswith("@xn--strae-oqa.example>")


def test_a_template_without_a_known_site_guesses_in_ascii(settings: Any) -> None:
    del settings.SITE_ID
    tag = "{% load invitation_tags %}{% invitation_base_url %}"
    assert Template(tag).render(Context({"domain": "bücher.example"})) == ASCII


# -- the pages --


@pytest.mark.usefixtures("_named")
def test_a_copied_link_and_its_qr_code_are_ascii(member: Any, member_client: Client) -> None:
    invitation = scenes.invite(member)
    response = member_client.get(f"/accounts/invitations/{invitation.pk}/link/")
    assert f"{ASCII}/accounts/invited/" in response.content.decode()
    [code] = zxingcpp.read_barcodes(rasterized(response.context["qr_code"]))
    assert code.text.startswith(f"{ASCII}/accounts/invited/")


@pytest.mark.usefixtures("_named")
def test_a_shared_link_and_its_addresses_are_ascii() -> None:
    owner = make_user("owner", is_superuser=True)
    client = Client()
    client.force_login(owner)
    shared = share(owner, label="Fair", max_uses=3, word="fair-2026", expires_at=None)
    response = client.get(f"/accounts/invitations/links/{shared.pk}/")
    body = response.content.decode().replace("<wbr>", "")
    assert body.count(ASCII) > 1
    assert "https://b" not in body
    assert qr.svg(response.context["invitation_url"]) == response.context["qr_code"]
