"""Examples of each command, which its `--help` shows."""

EXAMPLES = {
    "list": ("keras-gen list", "keras-gen list --task translation"),
    "show": ("keras-gen show dcgan", "keras-gen show dcgan --weights mnist"),
    "train": (
        "keras-gen train dcgan --data mnist --epochs 5",
        "keras-gen train vae --data photos/ --set 'image_shape=[64,64,3]' --mirror",
        "keras-gen train --config run.yaml --epochs 50 --tracker wandb",
        "keras-gen train dcgan --resume runs/dcgan/20260101-120000 --epochs 10",
    ),
    "reproduce": (
        "keras-gen reproduce vae:mnist --dry-run",
        "keras-gen reproduce vae:mnist --epochs 1 --steps-per-epoch 20 -n 100",
    ),
    "sample": (
        "keras-gen sample dcgan --weights mnist -n 64 --seed 0 -o digits.png",
        "keras-gen sample dcgan --weights runs/dcgan/20260101-120000",
        "keras-gen sample gan --weights hf://user/name",
    ),
    "run": (
        "keras-gen run vae",
        "keras-gen run vae reconstruct --weights mnist --data mnist -n 8",
        "keras-gen run pixelcnn complete --weights mnist --data mnist --mask upper",
    ),
    "evaluate": (
        "keras-gen evaluate dcgan --weights mnist -n 1000 --report dcgan.html",
        "keras-gen evaluate runs/dcgan/20260101-120000 --json",
        "keras-gen evaluate --images samples/ --data photos/",
    ),
    "interpolate": (
        "keras-gen interpolate vae --weights mnist -n 4 --steps 9",
        "keras-gen interpolate vae --weights mnist -o walks",
    ),
    "traverse": ("keras-gen traverse vae --weights mnist --coordinates 0,3,7",),
    "mix": ("keras-gen mix stylegan --weights mnist --layers 0,1 -n 4",),
    "nearest": ("keras-gen nearest dcgan --weights mnist -n 4 -k 5",),
    "index": ("keras-gen index weights/",),
    "export": (
        "keras-gen export dcgan --weights mnist",
        "keras-gen export digits=vae:mnist pictures=dcgan:mnist --to serving",
        "keras-gen export vae:mnist --format onnx --ability encode",
    ),
    "label": (
        "keras-gen label dcgan stable 2",
        "keras-gen label dcgan canary --remove",
    ),
    "query": (
        "keras-gen query localhost:8500 dcgan -n 16 --seed 0",
        "keras-gen query http://localhost:8501 vae encode --images digit.png",
    ),
    "app": (
        "keras-gen app",
        "keras-gen app vae --weights mnist",
        "keras-gen app vae --server localhost:8500",
    ),
    "push": (
        "keras-gen push runs/dcgan/20260101-120000 user/dcgan-birds --private",
        "keras-gen push model.keras user/name --licence cc-by-4.0",
    ),
}


def text_of(name: str) -> str:
    """The lines under a command's help, whose breaks are kept.

    Args:
        name: Name of the command.
    """
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in EXAMPLES[name])])
