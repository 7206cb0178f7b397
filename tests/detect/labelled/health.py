"""Health: members, providers, records and conditions."""

from __future__ import annotations

import re

from stdnum import luhn
from stdnum.ca import bc_phn
from stdnum.gb import nhs

from . import checks
from .kind import Kind, Source, closed, shaped

_MBI_LETTERS = "ACDEFGHJKMNPQRTUVWXY"
_CONDITIONS = ["Type 2 diabetes", "asthma", "HIV positive", "major depressive disorder", "hypertension", "epilepsy",
               "breast cancer", "bipolar disorder", "Crohn's disease", "hepatitis C", "schizophrenia", "multiple sclerosis"]
_ICD = ["E11.9", "J45.909", "B20", "F32.1", "I10", "G40.909", "C50.911", "F31.9", "K50.90", "B18.2", "F20.0", "G35", "Z79.4"]
_DRUGS = ["metformin 500 mg", "sertraline", "lisinopril 10 mg", "atorvastatin", "insulin glargine", "lithium carbonate",
          "efavirenz", "methadone", "levothyroxine", "quetiapine", "0093-7214-01", "50090-0481-00"]


def _mbi(source: Source) -> str:
    letter = lambda: source.text(_MBI_LETTERS, 1)  # noqa: E731 - a name for one line
    either = lambda: source.text(_MBI_LETTERS + "0123456789", 1)  # noqa: E731
    number = (source.nonzero(1) + letter() + either() + source.digits(1) + letter() + either() + source.digits(1)
              + letter() + letter() + source.digits(2))
    return source.choice([number, f"{number[:4]}-{number[4:7]}-{number[7:]}"])


def _mbi_valid(value: str) -> bool:
    letter, either = f"[{_MBI_LETTERS}]", f"[{_MBI_LETTERS}0-9]"
    return bool(re.fullmatch(rf"[1-9]{letter}{either}\d{letter}{either}\d{letter}{letter}\d\d", checks.compact(value)))


def _with_payer(source: Source) -> dict[str, str]:
    return {"payer_id": source.digits(5), "plan_type": source.choice(["PPO", "HMO", "EPO", "POS"])}


def _medicare(source: Source) -> str:
    digits = source.choice("23456") + source.digits(8) + source.nonzero(1)
    return source.choice([digits, f"{digits[:4]} {digits[4:9]} {digits[9]}"])


KINDS = [
    Kind("us_mbi", ["mbi", "medicare_beneficiary_id", "medicare_number", "medicareId"], "Medicare number", _mbi, _mbi_valid,
         "the layout CMS publishes"),
    Kind("us_npi", ["npi", "provider_npi", "npi_number", "nationalProviderId"], "NPI", shaped("1#########", "2#########"),
         lambda value: luhn.is_valid("80840" + value), "stdnum's Luhn over 80840 and the number"),
    Kind("us_dea", ["dea_number", "dea", "prescriber_dea", "deaNo"], "DEA number",
         closed(lambda s: s.choice("ABFGM") + s.pattern("@######"), checks.us_dea_digit),
         lambda value: value[0] in "ABCDEFGHJKLMPRSTUX" and checks.us_dea_digit(value[:8]) == value[8],
         "the kinds of registrants and the check digit of DEA"),
    Kind("uk_nhs", ["nhs_number", "nhsNumber", "nhs_no", "nhs"], "NHS number", shaped("##########", "### ### ####"),
         nhs.is_valid),
    Kind("au_medicare", ["medicare_number", "medicare_no", "medicareCardNumber", "medicare_card"], "Medicare card", _medicare,
         checks.au_medicare, "the check digit of Services Australia"),
    Kind("de_kvnr", ["kvnr", "krankenversichertennummer", "versichertennummer", "kv_nummer"], "Versichertennummer",
         closed(shaped("@########"), checks.de_kvnr_digit), lambda v: checks.de_kvnr_digit(v[:9]) == v[9],
         "GKV-Spitzenverband, weights 1 and 2"),
    Kind("ca_phn", ["phn", "personal_health_number", "bc_phn", "health_card_number"], "personal health number",
         shaped("9#########", "9### ### ###"), bc_phn.is_valid),
    Kind("medical_record_number", ["mrn", "medical_record_number", "patient_mrn", "medicalRecordNumber"], "MRN",
         shaped("########", "MRN-#######", "######"), None, "digits of a usual length"),
    # Clubs have members and cars have policies: what `member_id` is tells the payer beside it.
    Kind("health_plan_id", ["health_plan_id", "member_id", "insurance_member_id", "subscriber_id", "healthInsuranceNumber"],
         "member number", shaped("@@@#########", "W#########", "@########"), None, "layouts of several insurers", _with_payer,
         also=("de_kvnr",)),
    Kind("diagnosis_code", ["diagnosis_code", "icd10", "icd_code", "diagnosis", "icd10_code"], "diagnosis",
         lambda s: s.choice(_ICD), None, "codes of ICD-10-CM", also=("medical_condition",)),
    Kind("medication", ["medication", "drug_name", "prescription", "medikament", "ndc"], "medication",
         lambda s: s.choice(_DRUGS), None, "names and NDC codes"),
    # `condition` alone is that of goods (new, used) more often.
    Kind("medical_condition", ["medical_condition", "diagnosis", "health_condition", "chronic_condition", "diagnose"], "condition",
         lambda s: s.choice(_CONDITIONS), None, "names of conditions", also=("diagnosis_code",)),
]
