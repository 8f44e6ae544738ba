from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from tests.bench.floor.models import Counter, Invitation


class InviteForm(forms.Form):
    """One field: the address."""

    email = forms.EmailField(max_length=254)


def opened(request: HttpRequest, key: str) -> HttpResponse:
    """Show an invitation: one indexed SELECT and a bare page."""
    row = Invitation.objects.filter(key=key, expires__gt=timezone.now()).first()
    if row is None:
        return render(request, "bench_floor/unknown.html", status=404)
    return render(request, "bench_floor/opened.html", {"email": row.email, "key": key})


@login_required
def invite(request: HttpRequest) -> HttpResponse:
    """Invite an address: one counter UPDATE, one INSERT, and one ``send``."""
    member: Any = request.user
    form = InviteForm(request.POST)
    if not form.is_valid():
        return render(request, "bench_floor/form.html", {"form": form})
    email = form.cleaned_data["email"]
    with transaction.atomic():
        left = Counter.objects.filter(member=member, left__gt=0)
        if not left.update(left=F("left") - 1):
            return render(request, "bench_floor/form.html", {"form": form})
        row = Invitation.objects.create(inviter=member, email=email)
    send_mail("You are invited", f"http://testserver/floor/{row.key}/", None, [email])
    return redirect("home")
