"""The contract: every id the full catalogue has, with its class. What a build lacks is listed as not built."""

from __future__ import annotations

_TABLE: dict[str, dict[str, str]] = {
    "secret": {
        "A": """aws_access_key_id aws_secret_access_key github_token gitlab_token slack_token stripe_key google_api_key
             azure_secret openai_key anthropic_key npm_token pypi_token sendgrid_key mailgun_key mailchimp_key twilio_key
             atlassian_token vault_token databricks_token doppler_token newrelic_key datadog_key private_key jwt basic_auth
             bearer_token url_credentials connection_string session_cookie otpauth""",
        "D": "password",
    },
    "payment": {
        "A": "card_track iban btc_address eth_address",
        "B": "payment_card",
        "C": "card_cvv card_expiry card_pin swift_bic aba_routing bank_account uk_sort_code",
    },
    "identity": {
        "A": "mx_curp it_codice_fiscale passport_mrz",
        "B": """us_ssn us_itin uk_nino uk_driving_licence br_cpf br_cnpj mx_rfc ar_cuit cl_rut co_nit fr_nir es_dni
             es_nuss pt_nif de_steuer_id de_rvnr at_svnr ch_ahv nl_bsn be_nrn lu_nin ie_pps se_personnummer no_fnr fi_hetu
             is_kennitala ee_isikukood lt_asmens_kodas lv_personas_kods pl_pesel cz_rodne_cislo ro_cnp bg_egn hr_oib si_emso
             gr_amka tr_tckn za_id in_pan in_gstin cn_resident_id kr_rrn tw_id hk_id sg_nric my_nric th_pin""",
        "C": """us_ein us_passport us_driver_license uk_utr ca_sin au_tfn au_abn nz_ird fr_spi it_partita_iva
             de_personalausweis dk_cpr pl_nip hu_taj gr_afm il_id in_aadhaar jp_my_number id_nik ph_umid passport_number vin""",
    },
    "health": {
        "B": "us_mbi de_kvnr",
        "C": "us_npi us_dea uk_nhs au_medicare ca_phn medical_record_number health_plan_id",
        "D": "diagnosis_code medication medical_condition",
    },
    "contact": {
        "A": "email_address",
        "C": "phone_number date_of_birth ip_address mac_address imei imsi iccid advertising_id geolocation",
        "D": "person_name postal_address postal_code",
    },
    "special": {
        "D": """race_ethnicity religion political_opinion trade_union sexual_orientation gender biometric genetic
             criminal_record salary credit_score""",
    },
}

#: Class of every detector: A proves itself, B has a checksum, C needs a clue, D is its field's name.
CLASSES: dict[str, str] = {
    id: letter for classes in _TABLE.values() for letter, ids in classes.items() for id in ids.split()
}
#: Category of every detector.
CATEGORIES: dict[str, str] = {
    id: category for category, classes in _TABLE.items() for ids in classes.values() for id in ids.split()
}
