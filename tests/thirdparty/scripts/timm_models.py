"""Small models of timm: outputs of a vision transformer and a residual network, training by timm's means."""

import warnings

warnings.simplefilter("ignore")

import timm
import torch
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEmaV3, accuracy


def digits(t):
    return [round(v, 3) + 0.0 for v in t.flatten().tolist()]


y = torch.tensor([1, 3])
for name, size, options in (("test_vit", 32, {"img_size": 32, "depth": 1}), ("test_resnet", 64, {})):
    torch.manual_seed(1)
    x = torch.rand(2, 3, size, size)
    model = timm.create_model(name, num_classes=5, **options).eval()
    print(name, sum(p.numel() for p in model.parameters()), timm.is_model(name))
    print(digits(model(x)))
    model.train()
    optimizer = create_optimizer_v2(model, opt="momentum", lr=0.02, momentum=0.0, weight_decay=1e-4)
    schedule = CosineLRScheduler(optimizer, t_initial=3, lr_min=1e-3)
    criterion = LabelSmoothingCrossEntropy(0.1)
    for step in range(3):
        optimizer.zero_grad()
        out = model(x)
        loss = criterion(out, y)
        loss.backward()
        optimizer.step()
        schedule.step(step + 1)
        print(f"{loss.item():.4f} {optimizer.param_groups[0]['lr']:.5f} {float(accuracy(out, y)[0]):.1f}")
    average = ModelEmaV3(model, decay=0.5)
    with torch.no_grad():
        model.get_classifier().weight.mul_(2)
    average.update(model)
    print(digits(average.module.get_classifier().weight[:1, :8]))
