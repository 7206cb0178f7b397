//! Numbers of China, Hong Kong, Taiwan, Japan and South Korea.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::Severity;
use crate::detect::verify::national::{china, hong_kong, japan, korea, taiwan};

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&CN_RESIDENT_ID, &HK_ID, &TW_ID, &JP_MY_NUMBER, &KR_RRN];

static CN_RESIDENT_ID: DetectorInfo = DetectorInfo {
    id: "cn_resident_id",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "residentid",
        "residentidnumber",
        "residentidentitycard",
        "residentidcard",
        "chineseid",
        "chineseidnumber",
        "chinaid",
        "chinaidnumber",
        "cnid",
        "idcardno",
        "shenfenzheng",
        "shenfenzhenghao",
        "sfz",
        "sfzh",
        "身份证",
        "身份证号",
        "身份证号码",
        "居民身份证",
        "居民身份证号",
        "居民身份证号码",
        "公民身份号码",
        "公民身份证号码",
    ],
    words: &["身份证", "公民身份号码", "shenfenzheng"],
    siblings: &["出生日期", "姓名", "dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "Eighteen characters: province, date of birth, serial and an ISO 7064 mod 11-2 check, X \
        for ten.",
    source: "GB 11643-1999, citizen identification number",
    families: &[family::NATIONAL_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &[
            "999999999999999999",
            "99999999999999999A",
            "999999 99999999 9999",
            "999999 99999999 999A",
        ],
        check: china::resident_id,
    }],
    ..DetectorInfo::BASE
};

static HK_ID: DetectorInfo = DetectorInfo {
    id: "hk_id",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "hkid",
        "hkidnumber",
        "hkidno",
        "hkidcard",
        "hkidcardnumber",
        "hongkongid",
        "hongkongidcard",
        "hongkongidentitycard",
        "hkic",
        "hkicnumber",
        "香港身份證",
        "香港身份證號碼",
        "身份證號碼",
        "身份證號",
    ],
    words: &["hkid", "hkic", "香港身份證"],
    siblings: &["dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "One or two letters, six digits and a check digit mod 11, A for ten, often in brackets.",
    source: "Immigration Department of Hong Kong; Registration of Persons Ordinance, cap. 177",
    families: &[family::NATIONAL_ID],
    needs: Needs::Nothing,
    // A form ends with a letter or digit: the closing bracket stays outside of the value.
    triggers: &[Trigger::Form {
        forms: &[
            "A999999(N",
            "AA999999(N",
            "A999999N",
            "AA999999N",
            "A999999-N",
            "AA999999-N",
        ],
        check: hong_kong::id,
    }],
    ..DetectorInfo::BASE
};

static TW_ID: DetectorInfo = DetectorInfo {
    id: "tw_id",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "twid",
        "twidnumber",
        "taiwanid",
        "taiwanidnumber",
        "twnationalid",
        "rocid",
        "arcnumber",
        "arcno",
        "uinumber",
        "身分證",
        "身分證字號",
        "身分證號",
        "身分證號碼",
        "國民身分證",
        "國民身分證統一編號",
        "身分證統一編號",
        "居留證號碼",
        "統一證號",
    ],
    words: &["身分證", "居留證", "taiwanid"],
    siblings: &["出生日期", "生日", "dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "A letter, a sex (1, 2, and 8, 9 or a letter for residents), seven digits and a check \
        digit mod 10.",
    source: "Ministry of the Interior of Taiwan, household registration numbering; National \
        Immigration Agency, UI number of 2021",
    families: &[family::NATIONAL_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["A999999999", "AA99999999"],
        check: taiwan::id,
    }],
    ..DetectorInfo::BASE
};

static JP_MY_NUMBER: DetectorInfo = DetectorInfo {
    id: "jp_my_number",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "mynumber",
        "mynumbercard",
        "individualnumber",
        "kojinbango",
        "jpmynumber",
        "japanmynumber",
        "個人番号",
        "マイナンバー",
        "マイナンバーカード",
        "マイナンバー番号",
    ],
    words: &["mynumber", "マイナンバー", "個人番号"],
    siblings: &["dob", "dateofbirth", "birthdate", "birthday", "生年月日"],
    explanation: "Twelve digits, the last a check digit mod 11; only beside a name or word that says so.",
    source: "Ministry of Internal Affairs and Communications of Japan, ordinance 85 of 2014, article \
        5",
    families: &[family::NATIONAL_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["9999 9999 9999", "9999-9999-9999", "999999999999"],
        check: japan::my_number,
    }],
    ..DetectorInfo::BASE
};

static KR_RRN: DetectorInfo = DetectorInfo {
    id: "kr_rrn",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "rrn",
        "rrnnumber",
        "residentregistrationnumber",
        "residentregistrationno",
        "koreanrrn",
        "krrrn",
        "jumin",
        "juminno",
        "juminnumber",
        "jumindeungnokbeonho",
        "주민등록번호",
        "주민번호",
        "외국인등록번호",
    ],
    words: &["rrn", "주민등록번호", "주민번호", "외국인등록번호"],
    siblings: &["생년월일", "dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "Thirteen digits as 6-7: date of birth, a digit for century and sex; a check digit mod 11 \
        for numbers issued before October 2020.",
    source: "Resident Registration Act, enforcement rules, article 2 (as amended in 2020)",
    families: &[family::NATIONAL_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["999999-9999999", "999999 9999999", "9999999999999"],
        check: korea::rrn,
    }],
    ..DetectorInfo::BASE
};
