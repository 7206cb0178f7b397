//! Words for what article 9 of the GDPR protects, in the languages of the catalogue.
//!
//! Goes in: a text in the normal form of names (lower case, no separators, no accents). Comes out:
//! whether it is such a word. A space stands around every word of a list. Categories are those of
//! censuses and standard forms; none is a judgement.

/// Words for races, ethnic groups and skin colours, from census categories.
pub(super) const RACE: &str = " aboriginal africain africaine african africana africanamerican africano afrikali afrikanisch afrikansk \
    afroamerican afrodeutsch alaskanative amarela amarelo amazigh americanindian \
    americanindianoralaskanative arab arabe arabic arabisch arap ashkenazi asian asiatica asiatico \
    asiatique asiatisch asiatisk asyali aziatisch azjata azjatka bangladeshi bengali berber beyaz biala \
    bialy bianca bianco biracial black blackafrican blackcaribbean blackorafricanamerican blanc blanca \
    blanche blanco blank branca branco caribbean caucasian caucasica caucasico cerkes chinese coloured \
    czarna czarny eastasian filipino firstnations gitana gitano gypsy han hausa hazara hindoestaans \
    hispanic hispanicorlatino hispano hui hutu igbo indian indigena indigenous inuit irishtraveller \
    japanese jewish kaukasisch korean kurd kurdisch kurdish kurt latina latino latinx laz maghrebin \
    maghrebine malay maori marokkaans mestiza mestizo metis middleeastern mixed mixedrace mulato mulatto \
    multiracial nativeamerican nativehawaiian nativehawaiianorotherpacificislander negra negro nera nero \
    noir noire nonhispanic northafrican nothispanicorlatino pacificislander pakistani parda pardo \
    pashtun persian preta preto punjabi roma romani romska same sami samisk schwarz sephardi sinhalese \
    sinti siyah slavic southasian southeastasian surinaams svart tajik tamil torresstraitislander \
    traveller turk turkisch turkish turks tutsi twoormoreraces uyghur uzbek vietnamese vit weiss white \
    whitebritish whiteirish xhosa yoruba zhuang zulu zwart ";

/// Words for beliefs and denominations.
pub(super) const RELIGION: &str = " agnostic agnostica agnostico agnostique ahmadiyya alevi anglican atea ateia ateist ateista ateistka \
    ateo ateu athee atheism atheist atheistin atheistisch bahai baptist boeddhist boeddhistisch \
    bouddhiste buddhism buddhist buddhistisch buddhistisk buddista buddyzm budist budista calvinist \
    candomble catholic catholique catolica catolico cattolica cattolico chretien chretienne christ \
    christelijk christian christianity christin christlich chrzescijanin churchofengland confucian \
    crista cristao cristiana cristiano deist druze ebrea ebreo espirita ev evangelica evangelical \
    evangelico evangelisch freikirchlich gereformeerd greekorthodox hervormd hindoe hindou hindoue hindu \
    hinduisk hinduism hinduista hinduistisch hristiyan humanist ibadi induista islam islamic islamisch \
    islamitisch islamskie jain jainism jehovahswitness jehovahswitnesses jew jewish joods judaism judeu \
    judia judio judisch judisk juif juive katholiek katholisch katoliczka katolik katolsk konfessionslos \
    kristen latterdaysaints lutheran methodist mormon moslem moslemisch moslim muculmana muculmano \
    muslim muslimisch muslimsk musluman musulman musulmana musulmane musulmano muzulmanin neuapostolisch \
    nietreligieus nonreligious noreligion orthodox orthodoxe ortodoks ortodossa ortodosso ortodox \
    ortodoxa ortodoxo pagan parsi pentecostal prawoslawie prawoslawny presbyterian protestan protestant \
    protestante protestanti protestantisch protestantisk protestants protestantyzm quaker rastafarian rk \
    romancatholic romischkatholisch roomskatholiek russianorthodox rzymskokatolickie sansreligion \
    schiitisch scientologist seventhdayadventist shia shiite shinto sikh sikhism sufi sunni sunnitisch \
    svenskakyrkan taoism taoist umbanda unitarian wiccan yahudi yazidi zoroastrian zyd zydowskie ";

/// Words for political camps and large parties.
pub(super) const POLITICS: &str = " afd akp anarchist bildu blocodeesquerda bolsonarista bsw bundnis90diegrunen cda cds cdu cducsu \
    centerpartiet centrist centro centrodestra centrosinistra chega chp communist communiste comunista \
    conservador conservadora conservateur conservatief conservative conservatore conservatrice csu d66 \
    democrat democratic democraticparty demparti derecha destra diegrunen dielinke direita droite \
    ecologista ecologiste erc esquerda extremaderecha extremadireita extremaesquerda extremaizquierda \
    extremedroite extremegauche farleft farright fascist fdp forzaitalia fpo fratelliditalia gauche gop \
    green greenparty greens groenlinks grun grune hdp hoger independent iyiparti izquierda junts \
    kommunistisch konfederacja konservativ konserwatywny kristdemokraterna labour labourparty \
    lafranceinsoumise leftist leftwing lega lesrepublicains lewica lfi liberaal liberal liberaldemocrats \
    liberalerna libertarian linke links lulista m5s maga marxist mdb mhp miljopartiet milliyetci \
    moderate moderaterna movimento5stelle muhafazakar nationalist npd nva ovp partitodemocratico pcf pcp \
    pd pis platformaobywatelska pnv po podemos polska2050 pp prawica prawoisprawiedliwosc progressive ps \
    psd psdb psoe psol pt pvda pvv rassemblementnational rechts reformuk renaissance republican \
    republicanparty rightist rightwing saadet sagci sinistra snp socialdemocrat socialdemocratic \
    socialdemokraterna socialist socialista socialiste socialistisch socjalista solcu sosyalist \
    sozialdemokratisch sozialistisch spd spo sumar sverigedemokraterna svp tory ukip vanster \
    vansterpartiet vlaamsbelang volt vox vvd ";

/// Names of trade unions and words for membership.
pub(super) const UNION: &str = " abvv aclvb acv aflcio afscme aslef byggnads ccoo cfdt cfecgc cftc cgil cgt cgtp cisl cnt cnv cobas \
    comisionesobreras csc csif ctb cut cwa dgb disk ela evg facket fackforbund fgtb fiom fnv fo \
    forcasindical forceouvriere forumzwiazkowzawodowych fsu gdl gdp gew gewerkschaft \
    gewerkschaftsmitglied gmb hakis ibew ibt ifmetall igbau igbce igmetall iscritta iscritto kesk \
    kommunal lab lo member memursen mitglied nasuwt ngg nszzsolidarnosc nursesunion ogb opzz pcs rmt \
    saco seiu sendika sendikali sindacato sindicada sindicado sindicalizada sindicalizado sindicato \
    solidaires solidarnosc sud syndicat syndique syndiquee tco teamsters tradeunion tuc turkis uaw ufcw \
    ugl ugt uil unia union unionen unionised unionized unionmember unison unite unsa usb usdaw uso \
    vakbond vakbondslid vcp verdi vision zwiazekzawodowy ";

/// Words for sexual orientations.
pub(super) const ORIENTATION: &str = " aromantic aseksualny aseksueel aseksuel asessuale asexual asexuel asexuell assexual bi biseksualna \
    biseksualny biseksueel biseksuel bisessuale bisexual bisexuel bisexuell bisexuelle bissexual \
    demisexual escinsel eterosessuale gay gayorlesbian gej gey hetero heteroseksualna heteroseksualny \
    heteroseksueel heteroseksuel heterosexual heterosexuales heterosexuel heterosexuell heterosexuelle \
    heterossexual homo homoseksualna homoseksualny homoseksueel homosexual homosexuel homosexuell \
    homosexuelle homossexual lesbian lesbiana lesbica lesbienne lesbijka lesbisch lesbisk lezbiyen lgbt \
    lgbtq omnisexual omosessuale panseksueel pansessuale pansexual pansexuel pansexuell polysexual queer \
    questioning samesexattracted schwul straight ";

/// Words for genders and sexes; single letters as forms abbreviate them.
pub(super) const GENDER: &str = " agender bay bayan bigender boy cis cisgender d divers diverse donna enby erkek f female femenino \
    feminin feminino femme femmina femminile frau ftm genderfluid genderqueer girl h hembra herr hijra \
    hombre homem homme ickebinar ikiliolmayan inter intersex k kadin kobieta kvinna kvinnlig m male man \
    manlig mann mannelijk mannlich maschile maschio masculin masculino men meska meski mezczyzna mtf \
    mujer mulher naobinaria naobinario niebinarna niebinarny nobinaria nobinario nonbinair nonbinaire \
    nonbinario nonbinary prefernottosay thirdgender trans transgender transman transwoman twospirit u \
    undisclosed uomo v varon vrouw vrouwelijk w weiblich woman women x zenska zenski ";

/// Words for offences, verdicts and sentences.
pub(super) const CRIMINAL: &str = " acquitted aggressione agresion agressao agression antecedentes arrest arrested arresto arson asesinato \
    assault assaultandbattery battery bedrageri betrug bewahrung brott burglary carcere cinayet \
    condamnation condamne condamnee condanna condannata condannato condena condenacao condenada \
    condenado convicted conviction crime delit delito detenido detenu diebstahl diefstal dolandiricilik \
    domd domesticviolence doodslag drogenbesitz drugpossession drugtrafficking dui dwi einbruch \
    embezzlement escroquerie estafa estelionato fangelse felon felony forgery fraud fraude \
    freiheitsstrafe furto gasp geldstrafe gevangenis guilty haft hapis hirsizlik homicide homicidio \
    hukumlu hurto imprisoned inbraak incarcerated indicted jail karany keineeintragung kidnapping \
    korperverletzung kradziez mahkum manslaughter meurtre misdemeanor misdemeanour misdrijf mishandeling \
    misshandel moneylaundering moord mord murder narkotikabrott nichtvorbestraft niekarany offender \
    omicidio oszustwo pardoned parole perjury pobicie prisao prision prison probation przestepstwo ran \
    rape rapina raub reato registeredsexoffender robbery robo roubo rozboj sabikali sexoffender \
    shoplifting skazana skazany spaccio stalking stold straftat stupefiants suc sursis taxevasion \
    terrorism theft totschlag trafficking trafico truffa vandalism veroordeeld verurteilt viol violacion \
    vol vorbestraft wiezienie yaralama zabojstwo ";

/// Words for what a biometric system measures.
pub(super) const BIOMETRIC: &str = " ansiktsigenkanning dna empreintedigitale empreintevocale faceid faceprint facescan facialrecognition \
    facialscan fingerabdruck fingeravtryck fingerprint fingerprints gait gesichtsscan gezichtsherkenning \
    handgeometry huelladactilar huelladigital impressaodigital improntadigitale iris irisscan leftindex \
    leftthumb odciskpalca palmprint palmvein parmakizi reconhecimentofacial reconnaissancefaciale \
    reconocimientofacial retina retinascan riconoscimentofacciale rightindex rightthumb \
    rozpoznawanietwarzy stimmabdruck touchid vingerafdruk voiceprint yuztanima ";

/// Words for genetic findings.
pub(super) const GENETIC: &str = " apoe apoe4 barare benign brca brca1 brca2 carrier cftr cysticfibrosis deletion drager duplication egfr \
    factorvleiden fragilex hemizygous heterozygot heterozygote heterozygous homozygot homozygote \
    homozygous huntington kras likelybenign likelypathogenic lynchsyndrome mthfr mutacao mutacion \
    mutacja mutasyon mutated mutatie mutation mutationdetected mutationnotdetected mutazione noncarrier \
    nosiciel pathogenic portador portadora portatore portatrice porteur porteuse sicklecell tasiyici \
    taysachs tp53 trager translocation trisomy trisomy21 uncertainsignificance wildtype xx xxy xy ";
