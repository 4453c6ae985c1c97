"""What a calibration's images can and cannot support, in words."""

from rgbx.modality import TITLES
from rgbx.trust.calibration import Calibrated
from rgbx.trust.false_sorts import trials_needed


def support_sentences(calibrated: Calibrated) -> list[str]:
    """Say what the calibration promises, and what it would take where it cannot."""
    config = calibrated.config
    if calibrated.provisional:
        return [
            "Provisional: classes were changed since it was calibrated on a line, and no image of the line has been "
            "seen since. What it decides is a guess, and no rate of false sorts is promised.",
            "Run 'rgbx calibrate' with images of the line, of every class, before anything rests on it.",
        ]
    needed = trials_needed(config.false_sorts, config.confidence)
    sentences = []
    for channel, each in calibrated.channels.items():
        if each.supported:
            sentences.append(
                f"{TITLES[channel]}: at most {config.false_sorts:.2%} false sorts, with {config.confidence:.0%} "
                "confidence, if devices come as these did."
            )
        else:
            sentences.append(
                f"{TITLES[channel]}: {each.images} images cannot show that at most {config.false_sorts:.2%} are sorted "
                f"wrongly; that takes {needed} sorted well, or fewer mistakes. The limit is the highest at which none "
                f"of these went wrong: {each.sorted} sorted, so at most {each.bound:.2%}."
            )
        if each.agreement_threshold == 0 or each.candidate_threshold == 0:
            sentences.append(f"{TITLES[channel]}: too few images for candidates; every class stays one.")
    return [*sentences, "Images of one unit are alike: bounds count images, so take many units with few views each."]
