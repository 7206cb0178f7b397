"""National identifiers of the Americas, Asia, Africa and the Pacific, and documents of any country."""

from __future__ import annotations

import re

from stdnum import luhn
from stdnum.ar import cuit
from stdnum.au import abn, tfn
from stdnum.br import cnpj, cpf
from stdnum.ca import sin
from stdnum.cl import rut
from stdnum.cn import ric
from stdnum.co import nit
from stdnum.id import nik
from stdnum.il import idnr as il_id
from stdnum.in_ import aadhaar, gstin, pan
from stdnum.jp import in_ as my_number
from stdnum.kr import rrn
from stdnum.mx import curp, rfc
from stdnum.my import nric
from stdnum.nz import ird
from stdnum.th import pin
from stdnum.us import ein, itin, ssn
from stdnum.za import idnr as za_id

from . import checks
from .kind import Kind, Source, closed, shaped

_MX_STATES = ["AS", "BC", "CC", "CH", "CL", "DF", "GR", "HG", "JC", "MC", "NL", "OC", "PL", "QR", "SL", "VZ", "YN", "ZS"]
_CN_REGIONS = ["110101", "310101", "440103", "330102", "510104", "420102", "320102", "610102", "370102", "500103"]
_STATES = ["01", "06", "07", "09", "19", "24", "27", "29", "33", "36"]
_VIN = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"


def _curp(source: Source) -> str:
    day = source.date(1940, 1999)
    body = (
        source.choice("BCDFGLMPRSTV") + source.choice("AEIOU") + source.text("BCDFGLMNPRSTV", 2)
        + f"{day:%y%m%d}" + source.choice("HM") + source.choice(_MX_STATES) + source.text("BCDFGLMNPRSTV", 3) + source.digits(1)
    )
    return body + curp.calc_check_digit(body)


def _rfc(source: Source) -> str:
    start = source.choice("BCDFGLMPRSTV") + source.choice("AEIOU") + source.text("BCDFGLMNPRSTV", 2)
    body = start + f"{source.date():%y%m%d}" + source.pattern("%%")
    return body + rfc.calc_check_digit(body)


def _rut(source: Source) -> str:
    body = str(source.number(5_000_000, 26_000_000))
    dotted = f"{int(body):,}".replace(",", ".")
    return source.choice([f"{dotted}-", f"{body}-"]) + rut.calc_check_digit(body)


def _nit(source: Source) -> str:
    body = source.choice("89") + source.digits(8)
    check = nit.calc_check_digit(body)
    return source.choice([f"{body}-{check}", f"{body[:3]}.{body[3:6]}.{body[6:]}-{check}"])


def _pan(source: Source) -> str:
    return source.pattern("@@@") + source.choice("PPPCHFT") + source.pattern("@####@")


def _gstin(source: Source) -> str:
    body = source.choice(_STATES) + _pan(source) + source.choice("123456789") + "Z"
    return body + luhn.calc_check_digit(body, gstin._ALPHABET)  # noqa: SLF001 - stdnum has no function for it


def _rrn(source: Source) -> str:
    day = source.date()
    body = f"{day:%y%m%d}{source.number(1, 2) + (2 if day.year >= 2000 else 0)}{source.number(0, 95):02}{source.digits(3)}"
    number = body + rrn.calc_check_digit(body)
    return source.choice([number, f"{number[:6]}-{number[6:]}"])


def _my_nric(source: Source) -> str:
    date, place, serial = f"{source.date():%y%m%d}", f"{source.number(1, 59):02}", source.digits(4)
    return source.choice([f"{date}-{place}-{serial}", date + place + serial])


def _nik(source: Source) -> str:
    day = source.date()
    number = day.day + source.choice([0, 40])
    district = source.choice(["317101", "317301", "327301", "337401", "357801", "127101", "517101", "737101"])
    return f"{district}{number:02}{day:%m%y}{source.number(1, 9999):04}"


def _mrz(source: Source) -> str:
    """ICAO 9303 parts 4 and 5: a passport of two lines, or a card of three."""
    country = source.choice(["DEU", "FRA", "ITA", "ESP", "USA", "GBR", "NLD", "POL", "SWE", "JPN"])
    faker = source.faker("en_US")
    names = f"{faker.last_name()}<<{faker.first_name()}".upper().replace(" ", "<").replace("'", "").replace("-", "<")
    number, sex = source.pattern("@%%######"), source.choice("MF")
    birth, expiry = f"{source.date():%y%m%d}", f"{source.date(2027, 2034):%y%m%d}"
    number, birth, expiry = (part + checks.icao_digit(part) for part in (number, birth, expiry))
    if source.choice([True, False]):
        optional = "<" * 14
        optional += checks.icao_digit(optional)
        total = checks.icao_digit(number + birth + expiry + optional)
        return f"P<{country}{names}".ljust(44, "<")[:44] + f"\n{number}{country}{birth}{sex}{expiry}{optional}{total}"
    upper = f"I<{country}{number}".ljust(30, "<")
    middle = f"{birth}{sex}{expiry}{country}".ljust(29, "<")
    total = checks.icao_digit(upper[5:30] + middle[:7] + middle[8:15] + middle[18:29])
    return f"{upper}\n{middle}{total}\n{names.ljust(30, '<')[:30]}"


def _sin(source: Source) -> str:
    digits = source.choice("1234567") + source.digits(8)
    return source.choice([digits, f"{digits[:3]} {digits[3:6]} {digits[6:]}", f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"])


#: Letters and digits of German passports: no vowels, and none that look like others.
_DE_PASSPORT = "0123456789CFGHJKLMNPRTVWXYZ"


def _passport(source: Source) -> str:
    german = source.choice("CFGHJK") + source.text(_DE_PASSPORT, 8)
    if not any(c.isdigit() for c in german):
        german = german[:8] + source.digits(1)
    return source.choice([source.pattern("@########"), source.pattern("@@#######"), source.pattern("#########"), german])


_OTHERS = ["passport_no", "passportNumber", "passport_number", "numero_passeport", "reisepassnummer"]

KINDS = [
    Kind("us_ssn", ["ssn", "social_security_number", "socialSecurityNumber", "SSN", "taxpayer_ssn", "ss_number"],
         "social security number", shaped("###-##-####", "###-##-####", "#########"), ssn.is_valid),
    Kind("us_itin", ["itin", "taxpayer_itin", "itin_number", "individual_taxpayer_id"],
         "ITIN", shaped("9##-##-####", "9########"), itin.is_valid),
    Kind("us_ein", ["ein", "employer_identification_number", "fein", "employer_id_number"],
         "EIN", shaped("##-#######"), ein.is_valid),
    # `passport_number` does not say whose: any country's then, and the same severity.
    Kind("us_passport", ["us_passport_number", "us_passport_no", "usPassportNumber", "passport_book_number"],
         "passport number", shaped("#########", "@########"), None, "the two published layouts", also=("passport_number",)),
    Kind("us_driver_license", ["drivers_license", "driver_license_number", "driversLicenseNumber", "dl_number"],
         "driver's license", shaped("@#######", "#########", "@###-###-##-###-#", "########", "@############"), None,
         "layouts of several states"),
    Kind("ca_sin", ["sin", "social_insurance_number", "sin_number", "numero_assurance_sociale"],
         "SIN", _sin, sin.is_valid),
    Kind("au_tfn", ["tfn", "tax_file_number", "taxFileNumber"],
         "tax file number", shaped("^########", "^## ### ###"), tfn.is_valid),
    Kind("au_abn", ["abn", "australian_business_number", "abn_number"],
         "ABN", shaped("^##########", "^# ### ### ###"), abn.is_valid),
    Kind("nz_ird", ["ird", "ird_number", "irdNumber"],
         "IRD number", shaped("0########", "1########", "##-###-###", "###-###-###"), ird.is_valid),
    Kind("br_cpf", ["cpf", "numero_cpf", "cpf_cliente", "cpfCnpj"],
         "CPF", shaped("###########", "###.###.###-##"), cpf.is_valid),
    Kind("br_cnpj", ["cnpj", "numero_cnpj", "cnpj_empresa"],
         "CNPJ", shaped("########0001##", "##.###.###/0001-##"), cnpj.is_valid),
    Kind("mx_curp", ["curp", "clave_curp", "curp_id"], "CURP", _curp, curp.is_valid),
    Kind("mx_rfc", ["rfc", "clave_rfc", "rfc_receptor"], "RFC", _rfc,
         lambda value: rfc.is_valid(value, validate_check_digits=True)),
    Kind("ar_cuit", ["cuit", "cuil", "cuit_cuil", "nro_cuit"],
         "CUIT", shaped("20-########-#", "27#########", "30-########-#"), cuit.is_valid),
    # Not "run" alone: jobs and builds number their runs so.
    Kind("cl_rut", ["rut", "run_paciente", "rut_cliente", "rutCliente"], "RUT", _rut, rut.is_valid),
    Kind("co_nit", ["nit", "nit_empresa", "numero_nit"], "NIT", _nit, nit.is_valid),
    Kind("il_id", ["teudat_zehut", "tz", "mispar_zehut", "תעודת_זהות"],
         "teudat zehut", shaped("0########", "2########", "3########"), il_id.is_valid),
    Kind("za_id", ["rsa_id", "sa_id_number", "south_african_id", "id_number"],
         "South African ID", lambda s: f"{s.date():%y%m%d}{s.digits(4)}0{s.choice('89')}{s.digits(1)}", za_id.is_valid),
    Kind("in_aadhaar", ["aadhaar", "aadhaar_number", "aadhar_no", "uidai", "आधार"],
         "Aadhaar", shaped("############", "#### #### ####"), aadhaar.is_valid),
    Kind("in_pan", ["pan", "pan_number", "pan_card", "panNo", "permanent_account_number"], "PAN card", _pan, pan.is_valid),
    Kind("in_gstin", ["gstin", "gst_number", "gstNo"], "GSTIN", _gstin, gstin.is_valid),
    Kind("cn_resident_id", ["id_card", "身份证号", "sfzh", "idcard_no", "resident_id"], "身份证",
         closed(lambda s: s.choice(_CN_REGIONS) + f"{s.date():%Y%m%d}{s.digits(3)}", ric.calc_check_digit), ric.is_valid),
    Kind("kr_rrn", ["rrn", "주민등록번호", "jumin_no", "resident_registration_number"], "주민등록번호", _rrn, rrn.is_valid),
    Kind("jp_my_number", ["my_number", "マイナンバー", "個人番号", "kojin_bango"],
         "マイナンバー", shaped("############", "#### #### ####"), my_number.is_valid),
    Kind("tw_id", ["身分證字號", "national_id", "tw_id_number", "id_no"], "身分證",
         shaped("@1########", "@2########"), checks.tw_id, "the letter's number and mod 10"),
    Kind("hk_id", ["hkid", "hkid_no", "hk_identity_card", "身份證號碼"], "HKID",
         closed(shaped("@######", "@######"), lambda b: f"({checks.hk_id_check(b)})"),
         lambda v: bool(re.fullmatch(r"[A-Z]{1,2}\d{6}\([\dA]\)", v))
         and checks.hk_id_check(checks.compact(v)[:-1]) == checks.compact(v)[-1], "mod 11 with letters"),
    Kind("sg_nric", ["nric", "nric_no", "fin_number", "nric_fin"], "NRIC",
         closed(shaped("S#######", "T#######", "F#######", "G#######"), checks.sg_nric_check),
         lambda v: checks.sg_nric_check(v[:8]) == v[8], "mod 11 with tables of letters"),
    Kind("my_nric", ["mykad", "ic_number", "no_kad_pengenalan", "nric"], "MyKad", _my_nric, nric.is_valid),
    Kind("th_pin", ["thai_id", "เลขบัตรประชาชน", "citizen_id", "national_id"], "เลขบัตรประชาชน",
         closed(shaped("1###########", "3###########"), pin.calc_check_digit), pin.is_valid),
    Kind("id_nik", ["nik", "no_ktp", "nomor_ktp", "ktp"], "NIK", _nik, nik.is_valid),
    # SSS numbers have ten digits in another layout.
    Kind("ph_umid", ["umid", "crn", "umid_number", "common_reference_number"], "UMID", shaped("0###-#######-#"), None,
         "the published layout"),
    Kind("passport_mrz", ["mrz", "machine_readable_zone", "mrzData", "passport_mrz"], "MRZ", _mrz, None,
         "ICAO 9303, made with its check digits", carriers=("json_key", "json_nested", "json_list", "ndjson", "form", "bare")),
    Kind("passport_number", _OTHERS, "passport number", _passport, None,
         "published layouts of several countries", also=("us_passport",)),
    Kind("vin", ["vin", "vehicle_identification_number", "chassis_number", "fahrgestellnummer", "vinNumber"], "VIN",
         lambda s: s.choice(["1HG", "WVW", "JTD", "3FA", "WBA", "5YJ"]) + s.text(_VIN[:23] + "0123456789", 5)
         + s.choice("0123456789X") + s.text(_VIN, 1) + s.text(_VIN, 2) + s.digits(5),
         checks.vin, "49 CFR 565.15"),
]
