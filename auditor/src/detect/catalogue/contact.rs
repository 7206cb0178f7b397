//! Category `contact`: how a person is reached.

use super::{CCPA, Class, Convention, DetectorInfo, GDPR, HIPAA, Trigger};
use crate::detect::Severity;
use crate::detect::verify::{email, phone};

pub(super) static EMAIL_ADDRESS: DetectorInfo = DetectorInfo {
    id: "email_address",
    category: "contact",
    regulations: &[GDPR, HIPAA, CCPA],
    class: Class::A,
    severity: Severity::Medium,
    keys: &[
        "email", "emailaddress", "mail", "mailaddress", "emailid", "emails", "useremail", "correo",
        "correoelectronico", "courriel", "adressemail", "adresseemail", "adresemail", "epost",
        "epostadresse", "sahkoposti", "emailadresse", "posta", "indirizzoemail", "enderecoemail",
        "replyto", "электроннаяпочта", "почта", "邮箱", "电子邮件", "メールアドレス", "이메일",
    ],
    words: &["email", "mail", "courriel", "correo", "epost"],
    siblings: &[],
    explanation: "A local part, an at sign and a host under a suffix that people can register names \
        below.",
    source: "RFC 5321, RFC 6761; the Mozilla Public Suffix List",
    convention: Convention::Email,
    trigger: Trigger::At { verify: email::verify },
};

pub(super) static PHONE_NUMBER: DetectorInfo = DetectorInfo {
    id: "phone_number",
    category: "contact",
    regulations: &[GDPR, HIPAA, CCPA],
    class: Class::C,
    severity: Severity::Medium,
    keys: &[
        "phone", "phonenumber", "phoneno", "phonenum", "phones", "telephone", "telephonenumber", "tel",
        "telno", "telnumber", "mobile", "mobilephone", "mobilenumber", "mobileno", "cell", "cellphone",
        "cellphonenumber", "cellnumber", "msisdn", "fax", "faxnumber", "contactnumber", "contactphone",
        "homephone", "workphone", "daytimephone", "whatsapp", "whatsappnumber", "smsnumber", "callerid",
        "telefon", "telefonnummer", "rufnummer", "handynummer", "handy", "mobilnummer", "telefono",
        "numerotelefono", "numerodetelefono", "movil", "celular", "telefone", "numerodetelefone",
        "portable", "numerotelephone", "numerodetelephone", "cellulare", "telefoonnummer", "telefoon",
        "puhelin", "puhelinnumero", "telefonnr", "mobilnr", "numertelefonu", "телефон", "номертелефона",
        "手机", "手机号", "电话", "電話番号", "携帯電話", "전화번호", "휴대폰",
    ],
    words: &["phone", "tel", "telephone", "mobile", "cell", "fax", "call", "telefon", "telefono", "sms"],
    siblings: &[],
    explanation: "Digits that a national numbering plan allows, in international form behind a plus \
        sign or in a national form; never without a name or word that says so.",
    source: "ITU-T E.164 and national plans as of 2025-01; NANPA",
    convention: Convention::Phone,
    trigger: Trigger::Digits { lengths: &[7, 8, 9, 10, 11, 12, 13, 14, 15], verify: phone::verify },
};
