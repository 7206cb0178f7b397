"""National identifiers of Europe."""

from __future__ import annotations

import re

from stdnum import luhn, verhoeff
from stdnum.at import vnr
from stdnum.be import nn
from stdnum.bg import egn
from stdnum.ch import ssn as ahv
from stdnum.cz import rc
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.ee import ik
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nif as spi
from stdnum.fr import nir
from stdnum.gb import utr
from stdnum.gr import amka
from stdnum.gr import vat as afm
from stdnum.hr import oib
from stdnum.ie import pps
from stdnum.is_ import kennitala
from stdnum.it import codicefiscale, iva
from stdnum.lt import asmens
from stdnum.lv import pvn
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pl import nip, pesel
from stdnum.pt import nif as pt_nif
from stdnum.ro import cnp
from stdnum.se import personnummer
from stdnum.si import emso
from stdnum.tr import tckimlik

from . import checks
from .kind import Kind, Source, closed, grouped, shaped

_CONSONANTS = "BCDFGLMNPRSTV"
_ID_CARD = "0123456789CFGHJKLMNPRTVWXYZ"


def _fr_nir(source: Source) -> str:
    day = source.date()
    department = source.choice([f"{n:02}" for n in range(1, 96) if n != 20] + ["2A", "2B"])
    body = f"{source.number(1, 2)}{day:%y%m}{department}{source.number(1, 400):03}{source.number(1, 400):03}"
    number = body + nir.calc_check_digits(body)
    return source.choice([number, grouped(number, (1, 2, 2, 2, 3, 3, 2), " ")])


def _codice_fiscale(source: Source) -> str:
    day = source.date()
    number_of_day = day.day + source.choice([0, 40])
    place = source.choice("ABCDEFGHIL") + f"{source.number(1, 999):03}"
    body = source.text(_CONSONANTS, 6) + f"{day:%y}" + "ABCDEHLMPRST"[day.month - 1] + f"{number_of_day:02}" + place
    return body + codicefiscale.calc_check_digit(body)


def _de_rvnr(source: Source) -> str:
    area = source.choice(["02", "04", "08", "10", "12", "13", "15", "20", "25", "44", "53", "65", "82"])
    body = f"{area}{source.date():%d%m%y}{source.choice('ABDEFGHKLMRSTW')}{source.number(0, 99):02}"
    return source.choice([body + checks.de_rvnr_digit(body), grouped(body + checks.de_rvnr_digit(body), (2, 6, 1, 3), " ")])


def _de_rvnr_valid(value: str) -> bool:
    number = checks.compact(value)
    # A day of 00 is unknown; a month of 00 makes room for more numbers of a day.
    dated = re.fullmatch(r"\d\d(([0-2]\d|3[01])(0[1-9]|1[0-2])|([0-8]\d|9[0-5])00)\d\d[A-Z]\d{3}", number)
    return bool(dated) and 2 <= int(number[:2]) <= 89 and checks.de_rvnr_digit(number) == number[11]


def _id_card_valid(value: str) -> bool:
    return (value[0] in "LMNPRTVWXY" and all(c in _ID_CARD for c in value) and value[9].isdigit()
            and checks.icao_digit(value[:9]) == value[9])


def _at_svnr(source: Source) -> str:
    day = source.date()
    return source.choice(["{}{}", "{} {}"]).format(source.nonzero(4), f"{day:%d%m%y}")


def _be_nrn(source: Source) -> str:
    day, serial, check = source.date(), source.number(1, 997), source.number(1, 97)
    return source.choice([f"{day:%y.%m.%d}-{serial:03}.{check:02}", f"{day:%y%m%d}{serial:03}{check:02}"])


def _lu_nin(source: Source) -> str:
    body = f"{source.date():%Y%m%d}{source.number(1, 999):03}"
    return body + luhn.calc_check_digit(body) + verhoeff.calc_check_digit(body)


def _lu_nin_valid(value: str) -> bool:
    return luhn.is_valid(value[:12]) and verhoeff.is_valid(value[:11] + value[12])


def _se(source: Source) -> str:
    day = source.date()
    return f"{source.choice([f'{day:%y%m%d}-', f'{day:%Y%m%d}', f'{day:%Y%m%d}-'])}{source.digits(4)}"


def _hetu(source: Source) -> str:
    day = source.date()
    sign = "-" if day.year < 2000 else "A"
    return f"{day:%d%m%y}{sign}{source.number(2, 899):03}{source.text('0123456789ABCDEFHJKLMNPRSTUVWXY', 1)}"


def _kennitala(source: Source) -> str:
    day = source.date()
    return f"{day:%d%m%y}{source.choice(['', '-'])}{source.digits(3)}{'9' if day.year < 2000 else '0'}"


def _baltic(source: Source) -> str:
    day = source.date()
    first = (3 if day.year < 2000 else 5) + source.number(0, 1)
    return f"{first}{day:%y%m%d}{source.digits(4)}"


def _latvia(source: Source) -> str:
    day = source.date()
    return f"{day:%d%m%y}{source.choice(['-', '-', ''])}{1 if day.year < 2000 else 2}{source.digits(4)}"


def _pesel(source: Source) -> str:
    day = source.date()
    return f"{day:%y}{day.month + (20 if day.year >= 2000 else 0):02}{day:%d}{source.digits(5)}"


def _rodne_cislo(source: Source) -> str:
    day = source.date(1954, 2004)
    month = day.month + source.choice([0, 50])
    date, serial = f"{day:%y}{month:02}{day:%d}", source.digits(3)
    rest = int(date + serial) % 11
    # Since 1986 serials with a remainder of ten are left out; stdnum takes them.
    while rest == 10 and day.year >= 1986:
        serial = source.digits(3)
        rest = int(date + serial) % 11
    return f"{date}{source.choice(['/', ''])}{serial}{source.digits(1)}"


def _cnp(source: Source) -> str:
    day = source.date()
    first = source.number(1, 2) + (4 if day.year >= 2000 else 0)
    county, serial = source.number(1, 46), source.number(1, 999)
    return f"{first}{day:%y%m%d}{county:02}{serial:03}{source.digits(1)}"


def _egn(source: Source) -> str:
    day = source.date()
    return f"{day:%y}{day.month + (40 if day.year >= 2000 else 0):02}{day:%d}{source.digits(4)}"


def _emso(source: Source) -> str:
    day = source.date()
    region = source.choice([50, 10, 11, 71, 72, 30, 33, 41])
    return f"{day:%d%m}{day.year % 1000:03}{region}{source.digits(4)}"


def _dnie(source: Source) -> str:
    return source.choice([shaped("########@", "########-@"), shaped("X#######@", "Y#######@", "Y-#######-@")])(source)


def _cpr(source: Source) -> str:
    # The seventh digit tells the century: 0 to 3 are 1900 to 1999.
    day = source.date(1940, 1999)
    return f"{day:%d%m%y}{source.choice(['-', ''])}{source.number(0, 3)}{source.digits(3)}"


def _uk_licence(source: Source) -> str:
    day = source.date(1950, 2004)
    name = source.faker("en_GB").last_name().upper().replace("'", "")[:5].ljust(5, "9")
    year = f"{day:%y}"
    month = day.month + source.choice([0, 50])
    initials = source.choice("ABCDEFGHJKLMNPRSTW") + source.choice("ABCDEFGHJKLMNPRSTW9")
    return f"{name}{year[0]}{month:02}{day:%d}{year[1]}{initials}{source.number(2, 9)}{source.pattern('@@')}"


KINDS = [
    Kind("uk_nino", ["nino", "ni_number", "nationalInsuranceNumber", "national_insurance_no", "NINumber"],
         "National Insurance number", shaped("@@######@", "@@ ## ## ## @"), checks.uk_nino, "HMRC NIM39110"),
    Kind("uk_utr", ["utr", "unique_taxpayer_reference", "sautr", "utrNumber"],
         "UTR", shaped("##########"), utr.is_valid),
    Kind("uk_driving_licence", ["driving_licence_number", "drivingLicence", "dvla_licence_no", "licenceNumber"],
         "driving licence", _uk_licence, None, "the published layout of DVLA"),
    Kind("fr_nir", ["nir", "numero_securite_sociale", "num_secu", "numeroSecu", "no_ss"],
         "numéro de sécurité sociale", _fr_nir, nir.is_valid),
    Kind("fr_spi", ["numero_fiscal", "spi", "num_fiscal", "numeroFiscal"],
         "numéro fiscal", closed(shaped("0#########", "1#########", "2#########", "3#########"), spi.calc_check_digits),
         spi.is_valid),
    Kind("es_dni", ["dni", "nif", "nie", "documento_identidad", "dniNie"],
         "DNI", _dnie, lambda value: dni.is_valid(value) or nie.is_valid(value)),
    Kind("es_nuss", ["nuss", "numero_seguridad_social", "num_seg_social", "naf"],
         "número de la Seguridad Social", shaped("28##########", "08##########", "41/########/##"), checks.es_nuss,
         "mod 97 as Seguridad Social publishes it"),
    Kind("pt_nif", ["nif", "contribuinte", "numero_contribuinte", "nifNumber"],
         "NIF", shaped("1########", "2########", "2## ### ###"), pt_nif.is_valid),
    Kind("it_codice_fiscale", ["codice_fiscale", "codiceFiscale", "cod_fiscale", "cf"],
         "codice fiscale", _codice_fiscale, codicefiscale.is_valid),
    Kind("it_partita_iva", ["partita_iva", "piva", "partitaIva", "p_iva"],
         "partita IVA", shaped("0##########"), iva.is_valid),
    Kind("de_steuer_id", ["steuer_id", "steuerId", "steuer_identifikationsnummer", "idnr", "tax_id"],
         "Steuer-ID", shaped("^##########", "^# ### ### ###"), idnr.is_valid),
    Kind("de_rvnr", ["rentenversicherungsnummer", "sozialversicherungsnummer", "rvnr", "sv_nummer", "svnr"],
         "Rentenversicherungsnummer", _de_rvnr, _de_rvnr_valid, "VKVV paragraph 2"),
    Kind("de_personalausweis", ["personalausweisnummer", "ausweisnummer", "personalausweis_nr", "ausweisNr"],
         "Personalausweis", closed(lambda s: s.choice("LMNPRTVWXY") + s.text(_ID_CARD, 8), checks.icao_digit),
         _id_card_valid, "ICAO 9303 check digit"),
    Kind("at_svnr", ["svnr", "sozialversicherungsnummer", "sv_nummer", "versicherungsnummer"],
         "Sozialversicherungsnummer", _at_svnr, vnr.is_valid),
    Kind("ch_ahv", ["ahv_nummer", "ahv", "ahvNr", "numero_avs", "avs", "ssn"],
         "AHV-Nummer", shaped("756##########", "756.####.####.##"), ahv.is_valid),
    Kind("nl_bsn", ["bsn", "burgerservicenummer", "bsn_nummer", "sofinummer"],
         "burgerservicenummer", shaped("^########"), bsn.is_valid),
    Kind("be_nrn", ["rijksregisternummer", "insz", "niss", "numero_national", "registre_national"],
         "rijksregisternummer", _be_nrn, nn.is_valid),
    Kind("lu_nin", ["matricule", "matricule_national", "numero_matricule", "nin"],
         "matricule", _lu_nin, _lu_nin_valid, "stdnum's Luhn and Verhoeff over the first eleven digits"),
    Kind("ie_pps", ["ppsn", "pps_number", "pps", "ppsNumber"],
         "PPS number", shaped("#######@", "#######@A"), pps.is_valid),
    Kind("se_personnummer", ["personnummer", "personnr", "pnr", "person_nummer"],
         "personnummer", _se, personnummer.is_valid),
    Kind("no_fnr", ["fodselsnummer", "fnr", "fødselsnummer", "personnummer"],
         "fødselsnummer", lambda s: f"{s.date(1940, 1999):%d%m%y}{s.number(0, 499):03}{s.digits(2)}", fodselsnummer.is_valid),
    Kind("dk_cpr", ["cpr", "cpr_nummer", "cprNr", "personnummer"],
         "CPR-nummer", _cpr, cpr.is_valid),
    Kind("fi_hetu", ["hetu", "henkilotunnus", "henkilötunnus", "sotu"],
         "henkilötunnus", _hetu, hetu.is_valid),
    Kind("is_kennitala", ["kennitala", "kt", "kennitala_nr"],
         "kennitala", _kennitala, kennitala.is_valid),
    Kind("ee_isikukood", ["isikukood", "isiku_kood", "ik"],
         "isikukood", _baltic, ik.is_valid),
    Kind("lt_asmens_kodas", ["asmens_kodas", "asmensKodas", "ak"],
         "asmens kodas", _baltic, asmens.is_valid),
    Kind("lv_personas_kods", ["personas_kods", "personasKods", "pk"],
         "personas kods", _latvia, pvn.is_valid),
    Kind("pl_pesel", ["pesel", "nr_pesel", "numer_pesel", "peselNumber"],
         "PESEL", _pesel, pesel.is_valid),
    Kind("pl_nip", ["nip", "nr_nip", "numer_nip"],
         "NIP", shaped("^^########", "^^#-###-##-##"), nip.is_valid),
    Kind("cz_rodne_cislo", ["rodne_cislo", "rodneCislo", "rodné_číslo", "rc"],
         "rodné číslo", _rodne_cislo, rc.is_valid),
    Kind("hu_taj", ["taj", "taj_szam", "tajszam", "taj_number"],
         "TAJ szám", closed(shaped("########"), checks.hu_taj_digit),
         lambda v: checks.hu_taj_digit(v[:8]) == v[8], "Act XX of 1996"),
    Kind("ro_cnp", ["cnp", "cod_numeric_personal", "codNumericPersonal"],
         "CNP", _cnp, cnp.is_valid),
    Kind("bg_egn", ["egn", "егн", "egn_number"],
         "ЕГН", _egn, egn.is_valid),
    Kind("hr_oib", ["oib", "osobni_identifikacijski_broj", "oib_broj"],
         "OIB", shaped("###########"), oib.is_valid),
    Kind("si_emso", ["emso", "emšo", "jmbg", "maticni_broj"],
         "EMŠO", _emso, emso.is_valid),
    Kind("gr_amka", ["amka", "αμκα", "amka_number"],
         "ΑΜΚΑ", lambda s: f"{s.date():%d%m%y}{s.digits(5)}", amka.is_valid),
    Kind("gr_afm", ["afm", "αφμ", "afm_number"],
         "ΑΦΜ", shaped("#########"), afm.is_valid),
    Kind("tr_tckn", ["tckn", "tc_kimlik_no", "tcKimlikNo", "kimlik_no"],
         "T.C. kimlik no", closed(shaped("^########"), tckimlik.calc_check_digits), tckimlik.is_valid),
]
