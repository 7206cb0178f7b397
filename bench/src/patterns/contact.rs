//! Category `contact`.

use super::Shape::Regex;
use super::{Row, named};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    (
        "email_address",
        Regex(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b"),
    ),
    (
        "phone_number",
        Regex(
            r"\+\d{1,3}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4}\b|\(?\b[2-9]\d{2}\)?[ .-]\d{3}[ .-]\d{4}\b",
        ),
    ),
    (
        "person_name",
        named!(
            "(?:first|last|full|middle|given|family|maiden)_?name|surname|card_?holder(?:_?name)?|nachname|vorname|nom|prenom|apellidos?|nombre",
            r#"[^"'\s,;&}][^"',;&}]{1,}"#
        ),
    ),
    (
        "postal_address",
        named!(
            "(?:street|postal|home|billing|shipping)_?address|address_?(?:line)?_?[12]?|street|strasse|direccion|adresse",
            r#"[^"'\s,;&}][^"';&}]{4,}"#
        ),
    ),
    (
        "postal_code",
        named!(
            "zip|zip_?code|postal_?code|postcode|plz|codigo_?postal",
            "[a-z0-9][a-z0-9 -]{2,9}"
        ),
    ),
    (
        "date_of_birth",
        named!(
            "dob|date_?of_?birth|birth_?date|birth_?day|born|geburtsdatum|date_?naissance|fecha_?nacimiento",
            r"\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{8}"
        ),
    ),
    (
        "ip_address",
        Regex(
            r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b|\b(?:[A-Fa-f0-9]{1,4}:){7}[A-Fa-f0-9]{1,4}\b",
        ),
    ),
    (
        "mac_address",
        Regex(r"\b(?:[A-Fa-f0-9]{2}[:-]){5}[A-Fa-f0-9]{2}\b"),
    ),
    ("imei", named!("imei", r"\d{15}|\d{2}-\d{6}-\d{6}-\d")),
    ("imsi", named!("imsi", r"\d{14,15}")),
    ("iccid", named!("iccid|sim_?(?:serial|number)", r"89\d{17,18}")),
    (
        "advertising_id",
        named!(
            "idfa|gaid|aaid|adid|advertising_?id|idfv",
            "[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"
        ),
    ),
    (
        "geolocation",
        named!("lat|latitude|lng|lon|long|longitude", r"-?\d{1,3}\.\d{3,}"),
    ),
];
