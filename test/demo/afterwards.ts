/** What follows a delivery: its history, the same report again, a correction, an answer. */
import type { DeliveryView } from '../support/aceso.ts';
import type { SeenMessage } from '../support/clients/client.ts';
import { push, showMessage, type Pushed } from './delivered.ts';
import { duration, type Screen } from './screen.ts';
import type { Stage } from './stage.ts';

export async function historyShows({ aceso }: Stage, screen: Screen, { eventId }: SeenMessage): Promise<DeliveryView> {
  screen.step('The delivery\'s history, as Mercy\'s staff see it');
  const delivery = await aceso.delivery('sent', (each) => each.eventId === eventId);
  screen.command(`aceso deliveries show ${delivery.id}`, await aceso.run('deliveries', 'show', delivery.id));
  const what = delivery.history.map((entry) => entry.what).join('; ');
  screen.check('addressed to the orderer, sent as this event, encrypted for her device', delivery.party === 'dr-okafor' && /addressed to[\s\S]*sent, encrypted for [1-9]/u.test(what), what);
  return delivery;
}

export async function sameAgain(stage: Stage, screen: Screen, report: unknown, first: Pushed): Promise<void> {
  screen.step('The laboratory sends the same again, then a correction');
  const again = await push(stage, report);
  const deliveries = await stage.aceso.deliveries();
  screen.command('curl … -d @potassium.json    # the same once more', `HTTP/1.1 ${again.status} ${again.status === 200 ? 'OK' : ''}\nLocation: ${again.location}`);
  screen.check('the same delivery, the same Location, nothing new', again.status === 200 && again.location === first.location && deliveries.length === 1, { again, first, deliveries: deliveries.length });
}

export type Corrected = { readonly message: SeenMessage; readonly delivery: DeliveryView; readonly ms: number };

export async function correction(stage: Stage, screen: Screen, report: unknown, { id }: DeliveryView): Promise<Corrected> {
  const pushed = await push(stage, report);
  const message = await stage.ada.waitForMessage(({ content }) => String(content['body']).includes('CORRECTED'), 30_000);
  const ms = message.receivedAt - pushed.postedAt;
  screen.command('curl … -d @corrected.json    # status corrected, 4.2 mmol/L', `HTTP/1.1 ${pushed.status} ${pushed.status === 201 ? 'Created' : ''}\nLocation: ${pushed.location}`);
  showMessage(screen, message);
  screen.check(`a new message, ${duration(ms)} after the push, with the old value and the new side by side`, message.wasEncrypted && /6\.8[\s\S]*4\.2/u.test(String(message.content['body'])), message.content['body']);
  screen.check('no warning at its sender: a device that its owner has signed', message.shieldColour === 'none' && message.shieldReason === null, `${message.shieldColour}, ${String(message.shieldReason)}`);
  const delivery = await stage.aceso.delivery('the correction', ({ eventId }) => eventId === message.eventId);
  const { messages, undecryptable } = stage.ada;
  screen.check('her device has two messages in all, and none that it can\'t read', messages.length === 2 && undecryptable.length === 0, { messages: messages.map(({ eventId }) => eventId), undecryptable });
  screen.check('it supersedes the first delivery', delivery.supersedes === id, delivery.supersedes);
  return { message, delivery, ms };
}

export async function adaReplies({ aceso, ada }: Stage, screen: Screen, { message, delivery }: Corrected): Promise<void> {
  screen.step('Dr. Okafor answers from her device');
  const reply = 'Thank you, seen. Calcium gluconate cancelled.';
  await ada.read(message.roomId, message.eventId);
  await ada.reply(message.roomId, message.eventId, reply);
  screen.say(`She reads it, and replies, encrypted: "${reply}"`);
  const answered = await aceso.delivery('answered', ({ id, phase }) => id === delivery.id && phase === 'answered');
  const shown = await aceso.run('deliveries', 'show', delivery.id);
  screen.command(`aceso deliveries show ${delivery.id}`, shown);
  const last = answered.history.at(-1);
  screen.check('the history has her answer, from a device that its owner has signed', last?.by === ada.userId && last.what.includes('its owner signed'), last);
  screen.check('and what she wrote is not in it', !shown.includes('gluconate'), shown);
}
