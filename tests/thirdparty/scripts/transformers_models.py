"""GPT-2 and BERT of transformers, made from configurations: outputs, generation, training, files."""

import tempfile
import warnings

warnings.simplefilter("ignore")

import torch
import transformers
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
x = torch.arange(12).reshape(2, 6)
batches = torch.randint(0, 50, (3, 2, 6), generator=torch.Generator().manual_seed(1))


def digits(t):
    return [round(v, 4) + 0.0 for v in t.flatten().tolist()]


def train(model, optimizer, **inputs):
    model.train()
    for batch in batches:
        optimizer.zero_grad()
        loss = model(batch, labels=batch, **inputs).loss
        loss.backward()
        optimizer.step()
        print(f"{loss.item():.5f}")
    model.eval()


torch.manual_seed(0)
gpt2 = GPT2LMHeadModel(
    GPT2Config(n_layer=2, n_embd=32, n_head=2, vocab_size=50, n_positions=32, bos_token_id=0, eos_token_id=1)
).eval()
print("gpt2", sum(p.numel() for p in gpt2.parameters()))
for name, value in list(gpt2.state_dict().items())[:4]:
    print(name, tuple(value.shape), digits(value)[:3])  # drawn by transformers, in its order
out = gpt2(x, labels=x)
print(f"{out.loss.item():.5f}", digits(out.logits[:, 1, :5]), len(out.past_key_values))
print(gpt2.generate(x, max_new_tokens=3, do_sample=False, pad_token_id=2).tolist())
train(gpt2, torch.optim.AdamW(gpt2.parameters(), lr=1e-2))  # with dropout
with tempfile.TemporaryDirectory() as folder:
    gpt2.save_pretrained(folder)
    again = GPT2LMHeadModel.from_pretrained(folder).eval()
print(torch.allclose(again(x).logits, gpt2(x).logits, atol=1e-6), type(again).__name__)

torch.manual_seed(0)
bert = BertForMaskedLM(
    BertConfig(
        num_hidden_layers=2,
        hidden_size=32,
        num_attention_heads=2,
        intermediate_size=64,
        vocab_size=50,
        max_position_embeddings=32,
    )
).eval()
mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
out = bert(x, attention_mask=mask, labels=x, output_hidden_states=True)
print("bert", f"{out.loss.item():.5f}", digits(out.logits[:, 1, :5]))
print([digits(state[1, 2, :2]) for state in out.hidden_states])
train(bert, torch.optim.SGD(bert.parameters(), lr=0.1), attention_mask=mask)
print(bert)
