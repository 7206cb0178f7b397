//! Names of fields in ten languages: each kind that every country has must have one in each.
//!
//! The names are written as forms and interfaces show them. Words that usually mean something else
//! are no names of these kinds and stand in no row: `CAP` (Italian for postal code), `nome`, `ad`.

use crate::detect::catalogue;
use crate::detect::key::Name;

const LANGUAGES: [&str; 10] = [
    "English",
    "German",
    "French",
    "Spanish",
    "Italian",
    "Portuguese",
    "Dutch",
    "Polish",
    "Swedish",
    "Turkish",
];

/// A detector and its name in each language.
#[rustfmt::skip]
const NAMES: [(&str, [&str; 10]); 29] = [
    ("person_name", ["Full name", "Nachname", "Nom de famille", "Apellidos", "Cognome", "Sobrenome", "Achternaam",
        "Nazwisko", "Efternamn", "Soyadı"]),
    ("person_name", ["first_name", "Vorname", "Prénom", "Primer nombre", "Nome e cognome", "Primeiro nome", "Voornaam", "Imię",
        "Förnamn", "Adı soyadı"]),
    ("postal_address", ["Street address", "Anschrift", "Adresse postale", "Dirección", "Indirizzo", "Endereço", "Woonadres",
        "Adres zamieszkania", "Gatuadress", "Ev adresi"]),
    ("postal_code", ["ZIP code", "Postleitzahl", "Code postal", "Código postal", "Codice postale", "CEP", "Postcode",
        "Kod pocztowy", "Postnummer", "Posta kodu"]),
    ("date_of_birth", ["Date of birth", "Geburtsdatum", "Date de naissance", "Fecha de nacimiento", "Data di nascita",
        "Data de nascimento", "Geboortedatum", "Data urodzenia", "Födelsedatum", "Doğum tarihi"]),
    ("email_address", ["Email address", "E-Mail-Adresse", "Adresse électronique", "Correo electrónico", "Indirizzo e-mail",
        "Correio eletrônico", "E-mailadres", "Adres e-mail", "E-postadress", "E-posta adresi"]),
    ("phone_number", ["Phone number", "Telefonnummer", "Numéro de téléphone", "Número de teléfono", "Numero di telefono",
        "Número de telefone", "Telefoonnummer", "Numer telefonu", "Telefonnummer", "Telefon numarası"]),
    ("phone_number", ["Mobile phone", "Handynummer", "Téléphone portable", "Teléfono móvil", "Numero di cellulare", "Telemóvel",
        "Mobiel nummer", "Numer komórkowy", "Mobilnummer", "Cep telefonu"]),
    ("password", ["Password", "Passwort", "Mot de passe", "Contraseña", "Parola segreta", "Senha", "Wachtwoord", "Hasło",
        "Lösenord", "Şifre"]),
    ("password", ["api_key", "API-Schlüssel", "Clé API", "Clave API", "Chiave API", "Chave de API", "API-sleutel", "Klucz API",
        "API-nyckel", "API anahtarı"]),
    ("payment_card", ["Card number", "Kreditkartennummer", "Numéro de carte", "Número de tarjeta", "Numero di carta",
        "Número do cartão", "Kaartnummer", "Numer karty", "Kortnummer", "Kart numarası"]),
    ("card_cvv", ["Security code", "Kartenprüfnummer", "Code de sécurité", "Código de seguridad", "Codice di sicurezza",
        "Código de segurança", "Beveiligingscode", "Kod bezpieczeństwa", "Säkerhetskod", "Güvenlik kodu"]),
    ("card_expiry", ["Expiry date", "Gültig bis", "Date d'expiration", "Fecha de caducidad", "Data di scadenza",
        "Data de validade", "Vervaldatum", "Data ważności", "Utgångsdatum", "Son kullanma tarihi"]),
    ("card_pin", ["Card PIN", "Karten-PIN", "Code confidentiel", "PIN tarjeta", "PIN carta", "PIN cartão", "Kaart-PIN",
        "PIN karty", "Kort-PIN", "Kart şifresi"]),
    ("bank_account", ["Bank account number", "Kontonummer", "Numéro de compte", "Número de cuenta", "Numero di conto",
        "Número da conta", "Rekeningnummer", "Numer konta", "Bankkontonr", "Hesap numarası"]),
    ("iban", ["IBAN number", "Konto-IBAN", "Code IBAN", "Código IBAN", "Codice IBAN", "Número IBAN", "IBAN-nummer",
        "Numer IBAN", "IBAN-nummer", "IBAN numarası"]),
    ("swift_bic", ["SWIFT code", "BIC", "Code BIC", "Código SWIFT", "Codice BIC", "Código BIC", "BIC-nummer", "Kod SWIFT",
        "SWIFT-kod", "SWIFT kodu"]),
    ("passport_number", ["Passport number", "Reisepassnummer", "Numéro de passeport", "Número de pasaporte",
        "Numero di passaporto", "Número do passaporte", "Paspoortnummer", "Numer paszportu", "Passnummer",
        "Pasaport numarası"]),
    ("ip_address", ["IP address", "IP-Adresse", "Adresse IP", "Dirección IP", "Indirizzo IP", "Endereço IP", "IP-adres",
        "Adres IP", "IP-adress", "IP adresi"]),
    ("mac_address", ["MAC address", "MAC-Adresse", "Adresse MAC", "Dirección MAC", "Indirizzo MAC", "Endereço MAC",
        "MAC-adres", "Adres MAC", "MAC-adress", "MAC adresi"]),
    ("vin", ["Vehicle identification number", "Fahrgestellnummer", "Numéro de châssis", "Número de bastidor",
        "Numero di telaio", "Número do chassi", "Chassisnummer", "Numer VIN", "Chassinummer", "Şasi numarası"]),
    ("medical_condition", ["Medical condition", "Krankheit", "Maladie", "Enfermedad", "Malattia", "Doença", "Aandoening",
        "Choroba", "Sjukdom", "Hastalık"]),
    ("medication", ["Medication", "Medikament", "Médicament", "Medicamento", "Farmaco", "Medicação", "Medicijn", "Nazwa leku",
        "Läkemedel", "İlaç"]),
    ("medical_record_number", ["Medical record number", "Patientennummer", "Numéro de dossier médical",
        "Número de historia clínica", "Numero cartella clinica", "Número do prontuário", "Patiëntnummer", "Numer pacjenta",
        "Patientnummer", "Hasta numarası"]),
    ("gender", ["Gender", "Geschlecht", "Sexe", "Género", "Sesso", "Gênero", "Geslacht", "Płeć", "Kön", "Cinsiyet"]),
    ("salary", ["Salary", "Gehalt", "Salaire", "Sueldo", "Stipendio", "Ordenado", "Salaris", "Wynagrodzenie", "Månadslön",
        "Maaş"]),
    ("religion", ["Religion", "Konfession", "Confession", "Creencia religiosa", "Religione", "Religião", "Geloof", "Wyznanie",
        "Trossamfund", "Dini inanç"]),
    ("race_ethnicity", ["Ethnicity", "Ethnische Herkunft", "Origine ethnique", "Origen étnico", "Origine etnica",
        "Origem étnica", "Etnische afkomst", "Pochodzenie etniczne", "Etniskt ursprung", "Etnik köken"]),
    ("trade_union", ["Trade union", "Gewerkschaft", "Syndicat", "Sindicato", "Sindacato", "Filiação sindical", "Vakbond",
        "Związek zawodowy", "Fackförbund", "Sendika"]),
];

#[test]
fn every_common_kind_has_a_name_in_each_of_ten_languages() {
    let mut missing = Vec::new();
    for (id, names) in NAMES {
        let row = catalogue::find(id).unwrap_or_else(|| panic!("{id}"));
        for (name, language) in names.iter().zip(LANGUAGES) {
            let normal = Name::of(name.as_bytes());
            if !row.keys.iter().any(|key| key.as_bytes() == normal.joined()) {
                missing.push(format!("{id}: {name} ({language})"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}
