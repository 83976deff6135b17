"""The artists' parts from which faces are drawn, with their attributes and words.

An option of a slot is a weight, the attributes that it gives a face, and its words in
captions, in which {hair} and {clothes} are colours, and {length} is what another slot
says. None is the absence of a part. Hair without other attributes of style is short.
"""

HAIR = {
    "black": "2b2024",
    "brown": "7a4a2e",
    "blond": "e6bd62",
    "red": "c4472d",
    "grey": "b4b7c4",
    "pink": "ef7fa8",
    "blue": "4f7fd9",
}
HAIR_WEIGHTS = (22, 22, 16, 14, 10, 8, 8)
SKIN = {
    "light": ("f4cfb8", "e8b899"),
    "medium": ("cd9268", "b57a52"),
    "dark": ("8c4d27", "683618"),
}
CLOTHES = {
    "black": "3a3a44",
    "red": "d0393e",
    "orange": "f28c38",
    "yellow": "f0c53a",
    "green": "3f9d5b",
    "blue": "3d6fd8",
    "purple": "7d52c4",
    "grey": "9aa0ac",
}

MOUTH = {"black": "000000", "white": "ffffff"}  # White is for dark beards.

# Names of the attributes, in their order. Eyewear, hair style, hair colour and skin
# have one attribute for each value.
ATTRIBUTES = (
    *("glasses", "sunglasses"),
    *("smile", "open_mouth", "frown", "closed_eyes", "wink"),
    *("beard", "moustache", "earrings"),
    *("long_hair", "short_hair", "curly_hair", "tied_hair", "bald", "hat"),
    *(f"{colour}_hair" for colour in HAIR),
    *(f"{tone}_skin" for tone in SKIN),
)

LONG, CURLY, TIED = "long_hair", "curly_hair", "tied_hair"

HANDS = {
    "personas": {
        "style": "personas",
        "package": "personas",
        "options": {"scale": 115},
        "colours": {
            "hair": "hairColor",
            "skin": "skinColor",
            "clothes": "clothingColor",
        },
        "slots": {
            "hair": {
                "long": (8, [LONG], "long {hair} hair"),
                "extraLong": (6, [LONG], "very long straight {hair} hair"),
                "sideShave": (5, [LONG], "long {hair} hair shaved on one side"),
                "bobCut": (7, [LONG], "{hair} hair in a bob"),
                "bobBangs": (7, [LONG], "{hair} hair in a bob with a parting"),
                "curly": (8, [LONG, CURLY], "big curly {hair} hair"),
                "curlyHighTop": (8, [CURLY], "short curly {hair} hair"),
                "shortCombover": (7, [], "short {hair} hair combed over"),
                "shortComboverChops": (6, [], "short {hair} hair with sideburns"),
                "fade": (5, [], "short {hair} hair with a fade"),
                "mohawk": (5, [], "a {hair} mohawk"),
                "pigtails": (6, [LONG, TIED], "{hair} hair in pigtails"),
                "curlyBun": (6, [CURLY, TIED], "curly {hair} hair in a bun"),
                "straightBun": (6, [TIED], "{hair} hair in a bun"),
                "bald": (8, ["bald"], "no hair"),
                "balding": (4, ["bald"], "{hair} hair at the sides only"),
                "cap": (7, ["hat"], "an orange cap"),
                "beanie": (7, ["hat"], "a red beanie"),
            },
            "eyes": {
                "open": (40, [], ""),
                "glasses": (22, ["glasses"], "square glasses"),
                "sunglasses": (16, ["sunglasses"], "sunglasses"),
                "sleep": (9, ["closed_eyes"], "closed eyes"),
                "happy": (9, ["closed_eyes"], "eyes closed with joy"),
                "wink": (8, ["wink"], ""),
            },
            "mouth": {
                "smile": (24, ["smile"], ""),
                "bigSmile": (14, ["smile", "open_mouth"], ""),
                "smirk": (10, ["smile"], ""),
                "frown": (22, ["frown"], ""),
                "surprise": (18, ["open_mouth"], ""),
                "lips": (12, [], ""),
            },
            "nose": {
                "mediumRound": (45, [], ""),
                "smallRound": (45, [], ""),
                "wrinkles": (10, [], ""),
            },
            "facialHair": {
                None: (70, [], ""),
                "beardMustache": (10, ["beard", "moustache"], "a full beard"),
                "goatee": (7, ["beard", "moustache"], "a goatee"),
                "pyramid": (6, ["moustache"], "a moustache"),
                "walrus": (7, ["moustache"], "a broad moustache"),
            },
            "body": {
                "squared": (30, [], "a {clothes} jumper"),
                "rounded": (30, [], "a {clothes} T-shirt"),
                "small": (15, [], "a {clothes} top"),
                "checkered": (25, [], "a checked {clothes} shirt"),
            },
        },
    },
    "toon-head": {
        "style": "toonHead",
        "package": "toon-head",
        "options": {},
        "colours": {
            "hair": "hairColor",
            "skin": "skinColor",
            "clothes": "clothesColor",
        },
        "slots": {
            "rearHair": {
                None: (50, [], ""),
                "longStraight": (14, [LONG], "long straight"),
                "longWavy": (14, [LONG, CURLY], "long wavy"),
                "shoulderHigh": (11, [LONG], "shoulder-length"),
                "neckHigh": (11, [LONG], "neck-length"),
            },
            "hair": {
                "sideComed": (27, [], "{length} {hair} hair combed to the side"),
                "undercut": (27, [], "{length} {hair} hair with an undercut"),
                "spiky": (23, [], "{length} {hair} hair with a spiky top"),
                "bun": (23, [TIED], "{length} {hair} hair with a bun"),
            },
            "beard": {
                None: (70, [], ""),
                "fullBeard": (8, ["beard", "moustache"], "a full beard"),
                "longBeard": (7, ["beard", "moustache"], "a long beard"),
                "chin": (4, ["beard"], "a chin beard"),
                "chinMoustache": (5, ["beard", "moustache"], "a goatee"),
                "moustacheTwirl": (6, ["moustache"], "a twirled moustache"),
            },
            "eyes": {
                "wide": (40, [], ""),
                "humble": (12, ["closed_eyes"], "closed eyes"),
                "bow": (12, ["closed_eyes"], "eyes closed with joy"),
                "happy": (26, [], ""),
                "wink": (10, ["wink"], ""),
            },
            "eyebrows": {
                "neutral": (30, [], ""),
                "raised": (20, [], ""),
                "happy": (20, [], ""),
                "angry": (15, [], ""),
                "sad": (15, [], ""),
            },
            "mouth": {
                "smile": (32, ["smile"], ""),
                "laugh": (22, ["smile", "open_mouth"], ""),
                "agape": (16, ["open_mouth"], ""),
                "sad": (16, ["frown"], ""),
                "angry": (14, ["frown"], ""),
            },
            "clothes": {
                "tShirt": (24, [], "a {clothes} T-shirt"),
                "shirt": (19, [], "a {clothes} jumper over a shirt"),
                "turtleNeck": (19, [], "a {clothes} turtleneck"),
                "openJacket": (19, [], "an open {clothes} jacket"),
                "dress": (19, [], "a sleeveless {clothes} top"),
            },
        },
    },
    "micah": {
        "style": "micah",
        "package": "micah",
        "options": {},
        "colours": {
            "hair": "hairColor",
            "skin": "baseColor",
            "clothes": "shirtColor",
            "facial_hair": "facialHairColor",
            "mouth": "mouthColor",
        },
        "fixed": {
            "eyebrowsColor": "000000",
            "eyesColor": "000000",
            "glassesColor": "000000",
            "earringColor": "f4d150",
        },
        "slots": {
            "hair": {
                "full": (20, [LONG, CURLY], "long wavy {hair} hair"),
                "pixie": (18, [LONG], "{hair} hair in a flipped bob"),
                "dannyPhantom": (14, [], "short {hair} hair brushed forward"),
                "fonze": (18, [], "a {hair} quiff"),
                "mrT": (10, [], "a {hair} mohawk"),
                "mrClean": (12, ["bald"], "no hair"),
                "turban": (14, ["hat"], "a {hair} turban"),
            },
            "eyes": {
                "eyes": (50, [], ""),
                "round": (30, [], ""),
                "smiling": (20, ["closed_eyes"], "eyes closed with joy"),
            },
            "eyebrows": {
                "up": (30, [], ""),
                "down": (25, [], ""),
                "eyelashesUp": (25, [], ""),
                "eyelashesDown": (20, [], ""),
            },
            "mouth": {
                "smile": (24, ["smile"], ""),
                "smirk": (14, ["smile"], ""),
                "laughing": (18, ["smile", "open_mouth"], ""),
                "surprised": (14, ["open_mouth"], ""),
                "nervous": (6, [], "clenched teeth"),
                "frown": (12, ["frown"], ""),
                "sad": (8, ["frown"], ""),
                "pucker": (4, [], "puckered lips"),
            },
            "nose": {
                "curve": (34, [], ""),
                "pointed": (33, [], ""),
                "tound": (33, [], ""),
            },
            "ears": {"attached": (1, [], "")},  # Others move the earrings.
            "earrings": {
                None: (75, [], ""),
                "hoop": (13, ["earrings"], "a hoop earring"),
                "stud": (12, ["earrings"], "a stud earring"),
            },
            "glasses": {
                None: (65, [], ""),
                "round": (20, ["glasses"], "round glasses"),
                "square": (15, ["glasses"], "square glasses"),
            },
            "facialHair": {
                None: (78, [], ""),
                "beard": (22, ["beard", "moustache"], "a full beard"),
            },
            "shirt": {
                "crew": (34, [], "a {clothes} jumper"),
                "open": (33, [], "a {clothes} T-shirt"),
                "collared": (33, [], "a {clothes} shirt with a collar"),
            },
        },
    },
    "big-smile": {
        "style": "bigSmile",
        "package": "big-smile",
        "options": {"scale": 88, "translateY": 4},
        "colours": {"hair": "hairColor", "skin": "skinColor"},
        "slots": {
            "hair": {
                "straightHair": (9, [LONG], "long straight {hair} hair"),
                "bangs": (8, [LONG], "long {hair} hair with bangs"),
                "wavyBob": (8, [LONG, CURLY], "wavy {hair} hair in a bob"),
                "curlyBob": (8, [CURLY], "curly {hair} hair in a bob"),
                "braids": (8, [LONG], "long {hair} braids"),
                "halfShavedHead": (7, [LONG], "{hair} hair shaved on one side"),
                "curlyShortHair": (9, [CURLY], "short curly {hair} hair"),
                "shortHair": (9, [], "short {hair} hair"),
                "bowlCutHair": (8, [], "{hair} hair in a bowl cut"),
                "shavedHead": (7, [], "very short {hair} hair"),
                "mohawk": (7, [], "a {hair} mohawk"),
                "bunHair": (6, [TIED], "{hair} hair in a bun"),
                "froBun": (6, [CURLY, TIED], "curly {hair} hair in a high bun"),
            },
            "eyes": {
                "normal": (30, [], ""),
                "cheery": (18, [], ""),
                "confused": (12, [], ""),
                "sad": (8, [], ""),
                "angry": (8, [], ""),
                "starstruck": (6, [], "stars in the eyes"),
                "winking": (8, ["wink"], ""),
                "sleepy": (10, ["closed_eyes"], "closed eyes"),
            },
            "mouth": {
                "openedSmile": (16, ["smile", "open_mouth"], ""),
                "gapSmile": (7, ["smile", "open_mouth"], "a gap in the teeth"),
                "braces": (7, ["smile", "open_mouth"], "braces"),
                "teethSmile": (12, ["smile"], ""),
                "awkwardSmile": (10, ["smile"], ""),
                "kawaii": (9, ["smile"], ""),
                "unimpressed": (20, [], ""),
                "openSad": (19, ["open_mouth", "frown"], ""),
            },
            "accessories": {
                None: (50, [], ""),
                "glasses": (24, ["glasses"], "round glasses"),
                "sunglasses": (20, ["sunglasses"], "sunglasses"),
                "mustache": (12, ["moustache"], "a moustache"),
            },
        },
    },
}
