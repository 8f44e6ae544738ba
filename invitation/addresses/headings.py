"""Headings of tables: what the columns of address books and spreadsheets are called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_LENGTH_MAX = 64

#: Names of the columns, in the languages of address books. Accents, case and marks do not count.
#: "notes" is not one of them: address books keep private notes about a person there.
HEADINGS: dict[str, str] = {
    "email": """
        email|mail|email address|email addresses|mail address|email 1|email 1 value|user email
        primary email|work email|email adresse|mail adresse|adresse mail|adresse email|courriel
        adresse electronique|adresse courriel|adresse de messagerie|correo|correo electronico
        direccion de correo electronico|direccion de correo|direccion email|indirizzo email
        indirizzo di posta elettronica|indirizzo posta elettronica|emailadres|epost|epostadress
        epostadresse|adres email|endereco de email|email adresi|e posta|почта
        sähköposti|sähköpostiosoite|emailová adresa|электронная почта
        адрес электронной почты|эл почта|メール|メールアドレス|電子メール
        電子メール アドレス|邮箱|电子邮件|电子邮件地址|电子邮箱|電子郵件|이메일|이메일 주소
        البريد الإلكتروني|email cím|електронна пошта|ел пошта|ηλεκτρονικό ταχυδρομείο
        דואר אלקטרוני|אימייל|adresă de email|adreça electrònica|correu electrònic
        """,
    "name": """
        name|full name|display name|recipient name|recipient|contact name|student name
        participant name|member name|your name|nombre completo|nombre y apellidos
        apellidos y nombre|apellidos nombre|nom complet|nom et prenom|nom prenom|prenom et nom
        prenom nom|nome completo|nome e cognome|cognome e nome|nome cognome|cognome nome
        vollständiger name|voller name|vor und nachname|vorname nachname|nachname vorname
        name vorname|vorname name|last name first name|first name last name|first and last name
        naam|volledige naam|namn|navn|imię i nazwisko|nazwisko i imię|имя|фио|полное имя
        nimi|jméno a příjmení|ad soyad|ad\u0131 soyad\u0131|氏名|名前|お名前|姓名|이름|الاسم
        الاسم الكامل|your full name|full legal name|anzeigename|ihr name|nom affiché|nom à afficher
        votre nom|nombre para mostrar|su nombre|teljes név|név|meno a priezvisko|nume complet
        nume și prenume|ονοματεπώνυμο|повне ім'я|піб|שם מלא|שם|nom i cognoms
        visningsnamn|weergavenaam
        """,
    "first": """
        first|first name|given name|forename|vorname|prenom|nombre|nome|voornaam|imię|fornamn
        fornavn|名|etunimi|jméno|křestní jméno|meno|keresztnév|utónév|ім'я|ad|ad\u0131|prenume|όνομα
        الاسم الأول|שם פרטי|your first name|rufname
        """,
    "last": """
        last|last name|family name|surname|nachname|familienname|nom|nom de famille|apellido
        apellidos|cognome|sobrenome|achternaam|nazwisko|efternamn|etternavn|efternavn|фамилия|姓|sukunimi
        příjmení|priezvisko|vezetéknév|családnév|прізвище|성|soyad|soyad\u0131|nume|nume de familie
        επώνυμο|اسم العائلة|اللقب|שם משפחה|cognoms|your last name|apelido
        """,
    "note": "note|message|personal note|nachricht|mensaje",
    "language": "language|lang|locale|sprache|langue|idioma|lingua|taal|språk|język|язык|言語",
    "groups": "groups|group|gruppen|groupes|grupos",
}
#: Words before people in the head of an email, besides the names of columns.
_LABELS = frozenset(
    (
        *("to", "cc", "bcc", "rcpt to", "reply-to", "from", "an", "von", "kopie", "à", "a", "de"),
        *("cci", "para", "cco", "da", "ccn", "aan", "van", "till", "från", "til", "fra", "kopi"),
        *("do", "od", "dw", "кому", "от", "копия"),
        *("宛先", "差出人", "收件人", "发件人", "받는사람"),
    )
)
#: Words of a heading of addresses.
_MAIL = re.compile("e?mail|adres|addres|courriel|correo|messagerie|post|почт|メール|邮|郵|메일")
#: Headings of columns that hold no name of a person.
_NO_NAMES = re.compile(
    "phone|tel|fax|mobil|handy|cit[yt]|ort$|wohnort|stadt|town|ville|ciudad|citta|miasto|stad$|"
    "город|市|country|land$|pays|pais|region|company|firm|organi|empresa|azienda|societe|bedrijf|"
    "type|typ$|tipo|gr[uo]p|klass|class|kurs|cours|curso|note|date|datum|fecha|data$|id$|nr$|"
    "numm|numer|number|school|schul|ecole|role|roll|funktion|titl|titre|anrede|salut|address|"
    "adres|street|stra|zip|plz|post|status|state|url|web|birth|geburt|age$|gender|sex|user|login|"
    "benutzer|konto|account|usuario|utente|utilisateur|password|verein|abteilung|department|"
    "language|sprache|langue|idioma|tag|label|source|comment|bemerk"
)
#: Words for somebody else than the person of the row.
_OTHERS = re.compile(
    "parent|guardian|mother|father|mum|mom|dad|elter|mutter|vater|erziehung|padre|madre|tutor|"
    "pere|mere|genitor|ouder|foraldr|rodzic|родител|保護者|spouse|partner|manager|assist|boss|"
    "emergency|teacher|lehrer|supervisor|sponsor|inviter|owner|referr|invitado por"
)
_BRACKETED = re.compile(r"[(\[]([^)\]]*)[)\]]?")
#: Words that tell several addresses of one person apart.
_ONE_OF = re.compile(
    r"\d+|\b(?:primary|secondary|main|work|home|business|private|personal|other|alternate|"
    r"alternative|second|de|del|value|privat|geschaftlich|dienstlich|primare|sekundare|zweite|"
    r"principale?|secondaire|secundari[ao]|professionnelle|personnelle|primaria)\b"
)


def plain(heading: str) -> str:
    """Return only the letters and digits of a heading, without accents and case."""
    return re.sub(r"[\W_]+", "", _folded(heading))


def _folded(heading: str) -> str:
    text = unicodedata.normalize("NFKD", heading[:_LENGTH_MAX]).casefold()
    return "".join(char for char in text if unicodedata.category(char) not in ("Mn", "Cf"))


_COLUMN_OF = {
    plain(heading): column
    for column, names in HEADINGS.items()
    for line in names.splitlines()
    for heading in line.split("|")
    if heading.strip()
}


def column_of(heading: str) -> str:
    """Return the column that a heading names, or an empty text.

    What is in brackets counts first: exports have the plain name of a column there.
    """
    heading = heading[:_LENGTH_MAX]
    for form in (*_BRACKETED.findall(heading), heading, _BRACKETED.sub("", heading)):
        column = _COLUMN_OF.get(plain(form))
        if column is not None:
            return column
    return ""


def is_label(text: str) -> bool:
    """Return whether a text before a colon is no name of a person, such as "To" or "Email"."""
    return text.lower() in _LABELS or column_of(text) in ("email", "name")


def known(headings: Iterable[str]) -> dict[str, int]:
    """Return the places of the known columns; of two equal headings, the first counts."""
    places: dict[str, int] = {}
    for place, heading in enumerate(headings):
        column = column_of(heading)
        if column:
            places.setdefault(column, place)
    # In Italian, "Note" is the plural: private notes.
    plain_ones = {plain(heading): place for place, heading in enumerate(headings)}
    if "note" in places and "cognome" in plain_ones:
        del places["note"]
    # In Catalan, "Nom" is the first name, and in Korean "이름" may be. Elsewhere they are others.
    for last, first in (("cognoms", "nom"), ("성", "이름")):
        if last in plain_ones and first in plain_ones:
            names = ("name", "first", "last")
            places = {key: at for key, at in places.items() if key not in names}
            places |= {"first": plain_ones[first], "last": plain_ones[last]}
    return places


def is_mail(heading: str) -> bool:
    """Return whether a heading says that addresses follow."""
    return bool(_MAIL.search(plain(heading)))


def may_name(heading: str) -> bool:
    """Return whether an unknown heading may be that of names."""
    text = plain(heading)
    return bool(text) and not _NO_NAMES.search(text) and not _MAIL.search(text)


def whose(heading: str) -> frozenset[str]:
    """Return the words of a heading for somebody else, such as "parent"."""
    return frozenset(_OTHERS.findall(plain(heading)))


def series(headings: Sequence[str], place: int) -> list[int]:
    """Return the places of the addresses of the same person: "E-mail 1", "E-mail 2".

    With "Name 1" and "Name 2" on their left, they are those of different people.
    """
    if place >= len(headings):
        return [place]
    stem = _stem(headings[place])
    found = [at for at, heading in enumerate(headings) if at == place or _stem(heading) == stem]
    beside = [headings[at - 1] for at in found if at > 0]
    numbered = all(may_name(heading) and re.search(r"\d", heading) for heading in beside)
    people = len(beside) == len(found) and numbered and len(set(map(_stem, beside))) == 1
    return [place] if people else found


def _stem(heading: str) -> str:
    folded = re.sub(r"\be[\W_]?mail", "email", _folded(heading).replace("_", " "))
    return " ".join(sorted(re.findall(r"\w+", _ONE_OF.sub(" ", folded))))
