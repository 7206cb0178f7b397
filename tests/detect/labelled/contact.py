"""Names, addresses and what reaches or follows a person."""

from __future__ import annotations

import ipaddress
import uuid

from stdnum import imei, imsi, luhn

from .kind import HEX, Kind, Source, closed, shaped

_LOCALES = ["en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_BR", "nl_NL", "pl_PL", "sv_SE", "tr_TR"]
#: Ranges of national plans that are assigned, mobile mostly.
_PHONES = [
    "+1 415 6## ####", "(212) 7##-####", "+1-312-4##-####", "+1206783####", "+4915112######", "+49 171 2######", "0171 2######",
    "+447712 ######", "07911 1#####", "+33612######", "06 12 ## ## ##", "+34612######", "+39 347 1######",
    "+31612######", "+48601######", "+4670174####", "+905322######", "+55 11 98###-####",
    "+9198########", "+81 90 1### ####", "+8613812######",
]
_RESERVED = (".example", ".test", ".invalid", ".localhost", "example.com", "example.org", "example.net")
_MCC = ["26201", "310260", "23415", "20801", "22201", "21401", "20404", "26001", "24001", "72405"]


def _name(source: Source) -> str:
    return source.faker(source.choice(_LOCALES)).name()


def _address(source: Source) -> str:
    return source.faker(source.choice(_LOCALES[:9])).address().replace("\n", ", ")


def _birth(source: Source) -> str:
    return f"{source.date():{source.choice(['%Y-%m-%d', '%Y-%m-%d', '%d.%m.%Y', '%d/%m/%Y', '%m/%d/%Y', '%Y%m%d'])}}"


def _email(source: Source) -> str:
    """Faker's addresses whose host a person or a company can have registered."""
    faker = source.faker(source.choice(_LOCALES))
    while True:
        address: str = source.choice([faker.free_email, faker.company_email, faker.ascii_company_email])()
        host = address.split("@")[1]
        # Two letters under com, net and org are registries themselves (de.com): nobody's mail is there.
        if not host.endswith(_RESERVED) and len(host.split(".")[0]) > 2:
            return address


def _ip(source: Source) -> str:
    while True:
        if source.number(0, 3) == 0:
            address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.IPv6Address(
                int("2a0" + source.text(HEX, 29), 16))
        else:
            address = ipaddress.IPv4Address(source.random.getrandbits(32))
        if address.is_global and not address.is_multicast:
            return str(address)


def _mac(source: Source) -> str:
    # Vendor addresses: neither local nor multicast.
    first = source.choice("02468ace") + source.choice("048c")
    separator = source.choice([":", ":", "-"])
    return separator.join([first] + [source.text(HEX, 2) for _ in range(5)])


def _imei(source: Source) -> str:
    body = source.choice(["35", "86", "01"]) + source.digits(12)
    return body + luhn.calc_check_digit(body)


def _position(source: Source) -> dict[str, str]:
    return {"longitude": f"{source.random.uniform(-120, 140):.6f}"}


KINDS = [
    Kind("email_address", ["email", "email_address", "emailAddress", "mail", "correo", "e_mail", "customer_email"], "e-mail",
         _email, None, "Faker's addresses outside of reserved zones"),
    Kind("phone_number", ["phone", "phone_number", "phoneNumber", "mobile", "telefon", "telephone", "telefono", "handy",
                          "msisdn"], "phone", shaped(*_PHONES), None, "ranges of national numbering plans"),
    Kind("person_name", ["full_name", "customer_name", "fullName", "nombre_completo", "cardholder_name", "patient_name"], "name",
         _name, None, "Faker's names"),
    Kind("postal_address", ["address", "street_address", "shipping_address", "adresse", "direccion", "billing_address"],
         "address", _address, None, "Faker's addresses"),
    Kind("postal_code", ["postal_code", "zip", "zip_code", "postcode", "plz", "codigo_postal", "code_postal"], "postcode",
         lambda s: s.faker(s.choice(["en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "nl_NL", "pl_PL"])).postcode(), None,
         "Faker's codes"),
    Kind("date_of_birth", ["date_of_birth", "dob", "birth_date", "dateOfBirth", "geburtsdatum", "fecha_nacimiento", "birthday"],
         "born", _birth, None, "days from 1940 to 2004"),
    Kind("ip_address", ["ip", "ip_address", "client_ip", "remote_addr", "ipAddress", "source_ip"], "IP address", _ip, None,
         "Python's ipaddress: global, not multicast"),
    Kind("mac_address", ["mac", "mac_address", "macAddress", "hw_addr", "wifi_mac"], "MAC", _mac, None, "vendor addresses"),
    Kind("imei", ["imei", "device_imei", "imei_number", "imei1"], "IMEI", _imei, imei.is_valid, fixed=2),
    Kind("imsi", ["imsi", "subscriber_imsi", "imsi_number", "sim_imsi"], "IMSI",
         lambda s: (s.choice(_MCC) + s.digits(10))[:15], imsi.is_valid, fixed=6),
    Kind("iccid", ["iccid", "sim_iccid", "sim_serial", "iccid_number"], "ICCID",
         closed(lambda s: s.choice(["8949", "8901", "8944", "8933"]) + s.digits(14), luhn.calc_check_digit),
         luhn.is_valid, fixed=4),
    Kind("advertising_id", ["idfa", "gaid", "advertising_id", "advertisingId", "aaid", "ad_id"], "advertising id",
         lambda s: str(uuid.UUID(int=s.random.getrandbits(128), version=4)), None, "any UUID"),
    Kind("geolocation", ["latitude", "lat"], "position", lambda s: f"{s.random.uniform(-60, 70):.6f}", None,
         "a latitude beside a longitude", _position),
]
