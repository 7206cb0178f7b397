"""Special categories of personal data: the field's name tells, the value only has to make sense."""

from __future__ import annotations

from .kind import BASE64, Kind, Source


def _one(*values: str):
    return lambda source: source.choice(values)


def _amount(source: Source) -> str:
    return source.choice([str(source.number(24, 190) * 1000), f"{source.number(24_000, 190_000)}.{source.digits(2)}"])


_LIST = "words of a short list"

KINDS = [
    Kind("race_ethnicity", ["race", "ethnicity", "ethnic_origin", "raceEthnicity",
                            # Not `herkunft` alone: that is where data, goods and visitors come from, too.
                            "ethnische_herkunft"], "race",
         _one("Hispanic or Latino", "Black or African American", "White", "Asian", "Native Hawaiian", "Roma", "Arab", "Mixed"),
         None, _LIST),
    Kind("religion", ["religion", "religious_affiliation", "konfession", "faith", "religione"], "religion",
         _one("Catholic", "Muslim", "Jewish", "Protestant", "Hindu", "Buddhist", "Sikh", "Orthodox", "evangelisch",
              "römisch-katholisch"), None, _LIST),
    Kind("political_opinion", ["political_opinion", "political_party", "party_affiliation", "political_affiliation"], "party",
         _one("Democrat", "Republican", "Green", "Labour", "Conservative", "Liberal", "Socialist", "Independent"), None, _LIST),
    Kind("trade_union", ["trade_union", "union_membership", "trade_union_member", "gewerkschaft"], "union",
         _one("IG Metall", "ver.di", "UNISON", "CGT", "AFL-CIO", "Teamsters", "Unite", "yes"), None, _LIST),
    Kind("sexual_orientation", ["sexual_orientation", "sexualOrientation", "orientation_sexuelle", "sexuelle_orientierung"],
         "orientation", _one("heterosexual", "gay", "lesbian", "bisexual", "homosexual", "asexual", "pansexual"), None, _LIST),
    Kind("gender", ["gender", "sex", "geschlecht", "gender_identity", "sexo"], "gender",
         _one("female", "male", "non-binary", "F", "M", "weiblich", "diverse", "woman", "transgender"), None, _LIST),
    Kind("biometric", ["fingerprint_template", "biometric_template", "face_embedding", "voiceprint", "iris_template"],
         "fingerprint", lambda s: s.text(BASE64, s.number(80, 160)), None, "templates in base 64"),
    Kind("genetic", ["genotype", "dna_sequence", "genetic_data", "genetic_marker", "genome"], "genotype",
         _one("BRCA1 positive", "APOE e4/e4", "rs429358 CT", "GATTACAGATTACAGGCTTA", "BRCA2 c.5946delT", "HLA-B27 positive"),
         None, _LIST),
    Kind("criminal_record", ["criminal_record", "convictions", "criminal_history", "vorstrafen", "criminal_conviction"], "record",
         _one("burglary 2014", "felony assault", "DUI 2019", "fraud", "theft, suspended sentence", "misdemeanor"), None, _LIST),
    Kind("salary", ["salary", "annual_salary", "gehalt", "base_salary", "salaire", "gross_salary"], "salary", _amount, None,
         "amounts"),
    Kind("credit_score", ["credit_score", "fico_score", "creditScore", "schufa_score", "fico"], "credit score",
         lambda s: str(s.number(320, 849)), None, "300 to 850"),
]
